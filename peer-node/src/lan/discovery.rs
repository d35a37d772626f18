use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::lan::{ChunkName, LanAnnouncement};
use protocol::limits::MAX_ANNOUNCEMENT;
use protocol::rate_limiter::RateLimit;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::dictionary::{ContentDictionary, DictionarySnapshot};
use super::settings::DATAGRAM_LIMITS;
use super::{AnnouncedChunks, ChunkFolder, LanEvent, LanSettings};
use crate::rate_limiter::AddressRateLimiter;

/// Rate limits of reported refusals, per address and in total.
const REFUSAL_REPORT_LIMITS: [RateLimit; 2] = [
    RateLimit { interval: Duration::from_secs(10), burst: 1 },
    RateLimit { interval: Duration::from_secs(1), burst: 5 },
];

/// Minimum interval between two writes of the dictionary.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);

/// Receives announcements and stores them in the folder. Runs until the future is dropped.
pub(crate) async fn discover(
    socket: UdpSocket,
    folder: Arc<ChunkFolder>,
    settings: LanSettings,
    events: mpsc::Sender<LanEvent>,
) {
    let mut receiver = AnnouncementReceiver {
        limiter: AddressRateLimiter::new(DATAGRAM_LIMITS[0], DATAGRAM_LIMITS[1]),
        report_limiter: AddressRateLimiter::new(REFUSAL_REPORT_LIMITS[0], REFUSAL_REPORT_LIMITS[1]),
        announced: AnnouncedChunks::new(settings.lifetime()),
        settings,
        events,
        is_failing: false,
    };
    // One byte more than allowed, to detect longer datagrams.
    let mut bytes = vec![0; MAX_ANNOUNCEMENT + 1];
    let mut ticks = tokio::time::interval(WRITE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_changed = false;
    loop {
        tokio::select! {
            datagram = socket.recv_from(&mut bytes) => {
                // An error refers to an earlier datagram, or to a temporary loss of the network.
                let Ok((count, from)) = datagram else { tokio::time::sleep(WRITE_INTERVAL).await; continue };
                is_changed |= receiver.handle_datagram(bytes.get(..count).unwrap_or_default(), from);
            }
            _ = ticks.tick() => {
                is_changed |= receiver.announced.expire(Instant::now());
                if is_changed {
                    // A failed write is retried.
                    is_changed = !receiver.save(&folder).await;
                }
            }
        }
    }
}

/// The state of the receiver.
struct AnnouncementReceiver {
    limiter: AddressRateLimiter,
    report_limiter: AddressRateLimiter,
    announced: AnnouncedChunks,
    settings: LanSettings,
    events: mpsc::Sender<LanEvent>,
    /// Whether the last write failed. A failure is reported once.
    is_failing: bool,
}

impl AnnouncementReceiver {
    /// Handles a datagram. Returns true if it changed anything.
    fn handle_datagram(&mut self, bytes: &[u8], from: SocketAddr) -> bool {
        let (address, now) = (from.ip(), Instant::now());
        if !crate::addresses::is_dialable(from) || !self.limiter.admit(address, now) {
            return false;
        }
        match LanAnnouncement::decode(bytes) {
            Ok(announcement)
                if announcement.card.as_ref().is_some_and(|card| card.cookie == self.settings.cookie) =>
            {
                false
            }
            Ok(announcement) => {
                let (new, is_changed) = self.announced.record(address, announcement, now);
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
            // If the receiver is full, the dictionary still has the chunk.
            let _ = self.events.try_send(LanEvent::Discovered { chunk, from });
        }
    }
    /// Writes the dictionary. Returns true on success.
    async fn save(&mut self, folder: &Arc<ChunkFolder>) -> bool {
        let (snapshot, path) =
            (DictionarySnapshot::from_announced(&self.announced), folder.path().to_owned());
        let saved = tokio::task::spawn_blocking(move || snapshot.save(&path)).await;
        let saved = saved.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let was_failing = std::mem::replace(&mut self.is_failing, saved.is_err());
        let Err(error) = saved else { return true };
        if !was_failing {
            let what = format!("cannot write {}: {error}", ContentDictionary::path(folder.path()).display());
            let _ = self.events.try_send(LanEvent::Failed { what });
        }
        false
    }
}
