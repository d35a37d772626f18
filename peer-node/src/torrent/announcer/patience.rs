use std::time::Duration;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the address of a name.
    pub(super) name: Duration,
    /// For a connection.
    pub(super) connection: Duration,
    /// For a whole answer over HTTP, however often it sends elsewhere.
    pub(super) answer: Duration,
    /// For an answer over UDP; doubled for each time the question is sent again.
    pub(super) datagram: Duration,
    /// How often a question over UDP is sent.
    pub(super) datagrams: u32,
    /// For a tracker's second address family once the first has answered.
    pub(super) other_family: Duration,
    /// For all trackers together when we leave.
    pub(super) farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            name: Duration::from_secs(5),
            connection: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            // BEP 15 has it so, but goes on for two hours; meanwhile other trackers could be asked.
            datagram: Duration::from_secs(15),
            datagrams: 2,
            other_family: Duration::from_secs(2),
            farewell: Duration::from_secs(3),
        }
    }
}
