use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::lan::{Announcement, ChunkName};
use protocol::limits::MAX_ANNOUNCEMENT;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::board::{Board, Page};
use super::settings::DATAGRAMS;
use super::{ChunkFolder, News, Settings, Sightings};
use crate::gate::{Gate, Pace};

/// How often refused datagrams are told of, of one address and of all.
const COMPLAINTS: [Pace; 2] =
    [Pace { each: Duration::from_secs(10), burst: 1 }, Pace { each: Duration::from_secs(1), burst: 5 }];

/// How often what was heard is written at most.
const WRITE: Duration = Duration::from_millis(500);

/// Hears announcements and keeps what they say in the folder, until the future is dropped.
pub(crate) async fn discover(
    socket: UdpSocket,
    folder: Arc<ChunkFolder>,
    settings: Settings,
    news: mpsc::Sender<News>,
) {
    let mut ear = Ear {
        gate: Gate::new(DATAGRAMS[0], DATAGRAMS[1]),
        complaints: Gate::new(COMPLAINTS[0], COMPLAINTS[1]),
        sightings: Sightings::new(settings.lifetime()),
        settings,
        news,
        is_failing: false,
    };
    // A longer one shows itself by filling the last byte.
    let mut bytes = vec![0; MAX_ANNOUNCEMENT + 1];
    let mut ticks = tokio::time::interval(WRITE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_changed = false;
    loop {
        tokio::select! {
            received = socket.recv_from(&mut bytes) => {
                // An error tells of an earlier datagram, or of a network that is gone for now.
                let Ok((count, from)) = received else { tokio::time::sleep(WRITE).await; continue };
                is_changed |= ear.hear(bytes.get(..count).unwrap_or_default(), from);
            }
            _ = ticks.tick() => {
                is_changed |= ear.sightings.forget(Instant::now());
                if is_changed {
                    // What could not be written is tried again.
                    is_changed = !ear.save(&folder).await;
                }
            }
        }
    }
}

/// Who listens, and what they have heard.
struct Ear {
    gate: Gate,
    complaints: Gate,
    sightings: Sightings,
    settings: Settings,
    news: mpsc::Sender<News>,
    /// Whether what was heard could not be written the last time, which is told once.
    is_failing: bool,
}

impl Ear {
    /// Judges a datagram; says whether there is anything new.
    fn hear(&mut self, bytes: &[u8], from: SocketAddr) -> bool {
        let (address, now) = (from.ip(), Instant::now());
        if !crate::addresses::may_dial(from) || !self.gate.admits(address, now) {
            return false;
        }
        match Announcement::decode(bytes) {
            Ok(said) if said.card.as_ref().is_some_and(|card| card.cookie == self.settings.cookie) => false,
            Ok(said) => {
                let (new, is_changed) = self.sightings.hear(address, said, now);
                let is_changed = is_changed || !new.is_empty();
                self.tell(new, address);
                is_changed
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::debug!(%from, reason, "datagram refused");
                if self.complaints.admits(address, now) {
                    let _ = self.news.try_send(News::Refused { from: address, reason });
                }
                false
            }
        }
    }

    fn tell(&self, new: Vec<ChunkName>, from: IpAddr) {
        for chunk in new {
            // Who does not keep up with the news reads the dictionary.
            let _ = self.news.try_send(News::Heard { chunk, from });
        }
    }
    /// Writes what was heard; says whether that could be done.
    async fn save(&mut self, folder: &Arc<ChunkFolder>) -> bool {
        let (page, place) = (Page::of(&self.sightings), folder.path().to_owned());
        let saved = tokio::task::spawn_blocking(move || page.save(&place)).await;
        let saved = saved.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let was_failing = std::mem::replace(&mut self.is_failing, saved.is_err());
        let Err(error) = saved else { return true };
        if !was_failing {
            let what = format!("cannot write {}: {error}", Board::place(folder.path()).display());
            let _ = self.news.try_send(News::Trouble { what });
        }
        false
    }
}
