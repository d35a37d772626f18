use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::lan::{ChunkName, LanAnnouncement};
use protocol::limits::MAX_ANNOUNCEMENT;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::dictionary::{ContentDictionary, DictionarySnapshot};
use super::settings::DATAGRAM_LIMITS;
use super::{AnnouncedChunks, ChunkFolder, LanEvent, LanSettings};
use crate::rate_limiter::{AddressRateLimiter, RateLimit};

/// How often refused datagrams are told of, of one address and of all.
const REFUSAL_REPORT_LIMITS: [RateLimit; 2] = [
    RateLimit { interval: Duration::from_secs(10), burst: 1 },
    RateLimit { interval: Duration::from_secs(1), burst: 5 },
];

/// How often what was heard is written at most.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);

/// Hears announcements and keeps what they say in the folder, until the future is dropped.
pub(crate) async fn discover(
    socket: UdpSocket,
    folder: Arc<ChunkFolder>,
    settings: LanSettings,
    news: mpsc::Sender<LanEvent>,
) {
    let mut receiver = AnnouncementReceiver {
        limiter: AddressRateLimiter::new(DATAGRAM_LIMITS[0], DATAGRAM_LIMITS[1]),
        report_limiter: AddressRateLimiter::new(REFUSAL_REPORT_LIMITS[0], REFUSAL_REPORT_LIMITS[1]),
        announced: AnnouncedChunks::new(settings.lifetime()),
        settings,
        events: news,
        is_failing: false,
    };
    // A longer one shows itself by filling the last byte.
    let mut bytes = vec![0; MAX_ANNOUNCEMENT + 1];
    let mut ticks = tokio::time::interval(WRITE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_changed = false;
    loop {
        tokio::select! {
            received = socket.recv_from(&mut bytes) => {
                // An error tells of an earlier datagram, or of a network that is gone for now.
                let Ok((count, from)) = received else { tokio::time::sleep(WRITE_INTERVAL).await; continue };
                is_changed |= receiver.handle_datagram(bytes.get(..count).unwrap_or_default(), from);
            }
            _ = ticks.tick() => {
                is_changed |= receiver.announced.expire(Instant::now());
                if is_changed {
                    // What could not be written is tried again.
                    is_changed = !receiver.save(&folder).await;
                }
            }
        }
    }
}

/// Who listens, and what they have heard.
struct AnnouncementReceiver {
    limiter: AddressRateLimiter,
    report_limiter: AddressRateLimiter,
    announced: AnnouncedChunks,
    settings: LanSettings,
    events: mpsc::Sender<LanEvent>,
    /// Whether what was heard could not be written the last time, which is told once.
    is_failing: bool,
}

impl AnnouncementReceiver {
    /// Judges a datagram; says whether there is anything new.
    fn handle_datagram(&mut self, bytes: &[u8], from: SocketAddr) -> bool {
        let (address, now) = (from.ip(), Instant::now());
        if !crate::addresses::is_dialable(from) || !self.limiter.admit(address, now) {
            return false;
        }
        match LanAnnouncement::decode(bytes) {
            Ok(said) if said.card.as_ref().is_some_and(|card| card.cookie == self.settings.cookie) => false,
            Ok(said) => {
                let (new, is_changed) = self.announced.record(address, said, now);
                let is_changed = is_changed || !new.is_empty();
                self.report_chunks(new, address);
                is_changed
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::debug!(%from, reason, "datagram refused");
                if self.report_limiter.admit(address, now) {
                    let _ = self.events.try_send(LanEvent::DatagramRefused { from: address, reason });
                }
                false
            }
        }
    }

    fn report_chunks(&self, new: Vec<ChunkName>, from: IpAddr) {
        for chunk in new {
            // Who does not keep up with the news reads the dictionary.
            let _ = self.events.try_send(LanEvent::Discovered { chunk, from });
        }
    }
    /// Writes what was heard; says whether that could be done.
    async fn save(&mut self, folder: &Arc<ChunkFolder>) -> bool {
        let (page, path) = (DictionarySnapshot::from_announced(&self.announced), folder.path().to_owned());
        let saved = tokio::task::spawn_blocking(move || page.save(&path)).await;
        let saved = saved.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let was_failing = std::mem::replace(&mut self.is_failing, saved.is_err());
        let Err(error) = saved else { return true };
        if !was_failing {
            let what = format!("cannot write {}: {error}", ContentDictionary::path(folder.path()).display());
            let _ = self.events.try_send(LanEvent::Trouble { what });
        }
        false
    }
}
