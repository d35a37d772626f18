use std::time::Duration;

/// Time limits for requests to trackers.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrackerTimeouts {
    /// Resolving a host name.
    pub(super) lookup: Duration,
    /// Opening a connection.
    pub(super) connect: Duration,
    /// A complete HTTP reply, including redirects.
    pub(super) http_reply: Duration,
    /// A UDP reply; doubled on every retransmission.
    pub(super) udp_reply: Duration,
    /// Number of transmissions of a UDP request.
    pub(super) udp_attempts: u32,
    /// The tracker's second address family, once the first has replied.
    pub(super) other_family: Duration,
    /// All trackers together, when the torrent stops.
    pub(super) stop: Duration,
}

impl Default for TrackerTimeouts {
    fn default() -> Self {
        Self {
            lookup: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            http_reply: Duration::from_secs(30),
            // As in BEP 15, which retries for two hours; we try other trackers instead.
            udp_reply: Duration::from_secs(15),
            udp_attempts: 2,
            other_family: Duration::from_secs(2),
            stop: Duration::from_secs(3),
        }
    }
}
