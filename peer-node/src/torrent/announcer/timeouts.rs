use std::time::Duration;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrackerTimeouts {
    /// For the address of a name.
    pub(super) lookup: Duration,
    /// For a connection.
    pub(super) connect: Duration,
    /// For a whole answer over HTTP, however often it sends elsewhere.
    pub(super) http_reply: Duration,
    /// For an answer over UDP; doubled for each time the question is sent again.
    pub(super) udp_reply: Duration,
    /// How often a question over UDP is sent.
    pub(super) udp_attempts: u32,
    /// For a tracker's second address family once the first has answered.
    pub(super) other_family: Duration,
    /// For all trackers together when we leave.
    pub(super) stop: Duration,
}

impl Default for TrackerTimeouts {
    fn default() -> Self {
        Self {
            lookup: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            http_reply: Duration::from_secs(30),
            // BEP 15 has it so, but goes on for two hours; meanwhile other trackers could be asked.
            udp_reply: Duration::from_secs(15),
            udp_attempts: 2,
            other_family: Duration::from_secs(2),
            stop: Duration::from_secs(3),
        }
    }
}
