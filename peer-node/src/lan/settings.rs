use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{ChunkCount, Cookie, ReplyFormat};
use tokio::sync::Notify;

use crate::rate_limiter::RateLimit;

/// Rung when the folder has chunks that were not announced yet.
pub(crate) type AnnounceTrigger = Arc<Notify>;

/// How often datagrams of one address are read, and of all; a sender of ours pauses for 25 ms between two.
pub(super) const DATAGRAM_LIMITS: [RateLimit; 2] = [
    RateLimit { interval: Duration::from_millis(20), burst: 100 },
    RateLimit { interval: Duration::from_micros(2500), burst: 400 },
];

/// How long it counts that somebody was heard, in periods; and at least so long.
const LIFETIME: (u32, Duration) = (3, Duration::from_secs(10));

/// How the programs of the LAN dialect work.
#[derive(Debug, Clone)]
pub(crate) struct LanSettings {
    /// The UDP port on which announcements are sent and heard.
    pub(crate) announce_port: u16,
    /// The TCP port on which chunks are asked for.
    pub(crate) chunk_port: u16,
    /// The time between two announcements.
    pub(crate) period: Duration,
    /// Into how many chunks files are cut.
    pub(crate) chunk_count: ChunkCount,
    /// Where announcements go; if nobody said, to everybody on every network of this machine.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// The address of this machine from which is sent, and on which chunks are given.
    pub(crate) host: Ipv4Addr,
    /// The largest file that is fetched, in bytes.
    pub(crate) max_size: u64,
    /// Which programs are spoken with: what is requested of them, and whether announcements have a name.
    pub(crate) variant: ReplyFormat,
    /// What our own announcements are known by.
    pub(crate) cookie: Cookie,
}

impl LanSettings {
    /// Returns how long it counts that somebody was heard.
    pub(super) fn lifetime(&self) -> Duration {
        self.period.saturating_mul(LIFETIME.0).max(LIFETIME.1)
    }
}
