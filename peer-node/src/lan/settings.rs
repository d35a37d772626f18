use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{ChunkCount, Cookie, ReplyFormat};
use protocol::rate_limiter::RateLimit;
use tokio::sync::Notify;

/// Notified when the folder has chunks that have not been announced yet.
pub(crate) type AnnounceTrigger = Arc<Notify>;

/// Rate limits of received datagrams, per address and in total. Our own senders pause for 25 ms between datagrams.
pub(crate) const DATAGRAM_LIMITS: [RateLimit; 2] = [
    RateLimit { interval: Duration::from_millis(20), burst: 100 },
    RateLimit { interval: Duration::from_micros(2500), burst: 400 },
];

/// Lifetime of an announcement: a number of announcement intervals, and a minimum.
const LIFETIME: (u32, Duration) = (3, Duration::from_secs(10));

/// Configuration of the LAN dialect.
#[derive(Debug, Clone)]
pub(crate) struct LanSettings {
    /// UDP port for announcements.
    pub(crate) announce_port: u16,
    /// TCP port for chunk requests.
    pub(crate) chunk_port: u16,
    /// Interval between announcements.
    pub(crate) period: Duration,
    /// Number of chunks per file.
    pub(crate) chunk_count: ChunkCount,
    /// Address to announce to; `None` for the broadcast addresses of all local networks.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// Local address to send from and to serve chunks on.
    pub(crate) host: Ipv4Addr,
    /// Maximum size of a downloaded file in bytes.
    pub(crate) max_size: u64,
    /// Format of replies, which identifies the compatible programs. The JSON format adds a name to announcements.
    pub(crate) reply_format: ReplyFormat,
    /// Marks our own announcements.
    pub(crate) cookie: Cookie,
}

impl LanSettings {
    /// Returns the lifetime of an announcement.
    pub(crate) fn lifetime(&self) -> Duration {
        self.period.saturating_mul(LIFETIME.0).max(LIFETIME.1)
    }
}
