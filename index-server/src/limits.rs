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
    /// What the tracker grants.
    pub tracker: TrackerLimits,
}

/// What the tracker grants its clients.
#[derive(Debug, Clone)]
pub struct TrackerLimits {
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one address; loopback is not counted.
    pub connections_per_address: usize,
    /// How long a connection lasts, however busy it is.
    pub connection: Duration,
    /// How long a request may take from its beginning, or the wait for one, to its last byte.
    pub request: Duration,
    /// How often an address may ask.
    pub rate: RequestRate,
    /// How often clients are asked to announce themselves.
    pub interval: Duration,
    /// How often they may at most.
    pub min_interval: Duration,
    /// Who is remembered.
    pub swarms: SwarmLimits,
}

/// So many requests a second, and more for a moment.
#[derive(Debug, Clone, Copy)]
pub struct RequestRate {
    /// In the long run.
    pub per_second: u32,
    /// So many may come at once.
    pub burst: u32,
}

/// How many peers of torrents are remembered, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct SwarmLimits {
    /// In all; each takes up to 1.6 KiB, if it is alone in its torrent.
    pub peers: usize,
    /// Of one torrent.
    pub peers_per_torrent: usize,
    /// At one address, or in one network of IPv6.
    pub peers_per_address: usize,
    /// Of one torrent at one address.
    pub peers_per_torrent_and_address: usize,
    /// A peer that announces nothing for so long is gone.
    pub lifetime: Duration,
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
            tracker: TrackerLimits::default(),
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

impl TrackerLimits {
    /// Asks clients to announce themselves so often, and remembers them as long as that takes twice and a minute.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self.swarms.lifetime = interval.saturating_mul(2).saturating_add(Duration::from_mins(1));
        self
    }
}

impl Default for TrackerLimits {
    fn default() -> Self {
        let limits = Self {
            connections: 4096,
            connections_per_address: 128,
            connection: Duration::from_mins(1),
            request: Duration::from_secs(10),
            rate: RequestRate { per_second: 100, burst: 1000 },
            interval: Duration::ZERO,
            min_interval: Duration::from_mins(1),
            swarms: SwarmLimits {
                peers: 100_000,
                peers_per_torrent: 10_000,
                peers_per_address: 2000,
                peers_per_torrent_and_address: 64,
                lifetime: Duration::ZERO,
            },
        };
        limits.with_interval(Duration::from_mins(5))
    }
}
