//! What the index grants its clients: numbers, times, pauses.

use std::time::Duration;

/// The limits of a running index.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one address; loopback is not counted.
    pub connections_per_address: usize,
    /// A node that says nothing for so long counts as gone.
    pub lease: Duration,
    /// How long the greeting may take, from the connection to the proof.
    pub greeting: Duration,
    /// How long a message may take from its first byte to its last.
    pub frame: Duration,
    /// How long a client may take to accept an answer.
    pub write: Duration,
    /// The pauses before a store that failed is opened anew; the last one is repeated.
    pub reopening: Vec<Duration>,
    /// How nodes are called back.
    pub calls: CallLimits,
}

/// How the index finds out whether a node can be reached.
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// The most calls at once.
    pub at_once: usize,
    /// How long a call may take.
    pub timeout: Duration,
    /// The pauses before a node that did not answer is called again; the last one is repeated.
    pub pauses: Vec<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 1000,
            lease: Duration::from_secs(90),
            greeting: Duration::from_secs(10),
            frame: Duration::from_secs(30),
            write: Duration::from_secs(30),
            reopening: [1, 5, 15, 60].map(Duration::from_secs).to_vec(),
            calls: CallLimits::default(),
        }
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            at_once: 64,
            timeout: Duration::from_secs(5),
            pauses: [5, 15, 60, 300].map(Duration::from_secs).to_vec(),
        }
    }
}
