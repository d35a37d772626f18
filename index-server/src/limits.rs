//! What the index grants its clients: numbers, times, pauses.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::limits::MAX_FILES_PER_NODE;

use crate::budgets::BudgetLimits;
use crate::roster::ListingRules;

/// Descriptors that are no connections: the store, its folder and lock, the sockets that listen, the runtime's own.
const OWN_DESCRIPTORS: usize = 32;

/// The limits of a running index.
#[derive(Debug, Clone)]
pub struct IndexLimits {
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one address; loopback is not counted.
    pub connections_per_address: usize,
    /// A node that says nothing for so long counts as gone.
    pub lease: Duration,
    /// How long the greeting may take, from the connection to the proof.
    pub greeting_timeout: Duration,
    /// How long a message may take from its first byte to its last.
    pub frame_timeout: Duration,
    /// How long a client may take to accept an answer.
    pub write_timeout: Duration,
    /// The pauses before a store that failed is opened anew; the last one is repeated.
    pub reopen_delays: Vec<Duration>,
    /// How long a write to the store may take before the index ends with an error; zero is no limit.
    pub commit_timeout: Duration,
    /// How nodes are called back.
    pub probes: ProbeLimits,
    /// What the tracker grants.
    pub tracker: TrackerLimits,
    /// How much each may ask for.
    pub quotas: QuotaLimits,
    /// How many bytes lists may take.
    pub budgets: BudgetLimits,
    /// The list of a node that was not seen for so long is forgotten.
    pub forget_after: Duration,
    /// The same for a node that was online for less than an hour in total.
    pub forget_short_lived_after: Duration,
}

/// How much each node, and all nodes at an address together, may ask for.
#[derive(Debug, Clone)]
pub struct QuotaLimits {
    /// Changes of its list that a node may make.
    pub registrations: RequestRate,
    /// Searches and other questions that it may ask.
    pub queries: RequestRate,
    /// Milliseconds of processor time a second that searches of a node may take; 0 is no limit.
    pub search_time_per_node: u32,
    /// The same for all nodes at an address together.
    pub search_time_per_address: u32,
    /// All nodes at an address together may make so many times as many requests as one.
    pub nodes_per_address: u32,
    /// So many nodes of one address are listed; 0 is no limit.
    pub listed_per_address: u32,
    /// How often an address may report that sources do not answer.
    pub reports: RequestRate,
    /// Files that a node may share, up to [`MAX_FILES_PER_NODE`].
    pub files_per_node: u32,
    /// Bytes of long messages that may be in memory: those that are being read or answered, and answers that are not
    /// taken yet.
    pub bytes_in_flight: usize,
    /// So many of them of one address.
    pub bytes_in_flight_per_address: usize,
    /// Whether the limits by address and the rates apply to this machine too.
    pub limit_loopback: bool,
}

/// What an HTTP service grants its clients.
#[derive(Debug, Clone)]
pub(crate) struct HttpLimits {
    /// The most connections at once.
    pub(crate) connections: usize,
    /// The most connections at once from one address; loopback is not counted.
    pub(crate) connections_per_address: usize,
    /// How long a connection lasts, however busy it is.
    pub(crate) connection_lifetime: Duration,
    /// How long a request may take from its beginning, or the wait for one, to its last byte.
    pub(crate) request_timeout: Duration,
}

/// What the tracker grants its clients.
#[derive(Debug, Clone)]
pub struct TrackerLimits {
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one address; loopback is not counted.
    pub connections_per_address: usize,
    /// How long a connection lasts, however busy it is.
    pub connection_lifetime: Duration,
    /// How long a request may take from its beginning, or the wait for one, to its last byte.
    pub request_timeout: Duration,
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
pub struct ProbeLimits {
    /// The most calls at once.
    pub max_concurrent: usize,
    /// How long a call may take.
    pub timeout: Duration,
    /// The pauses before a node that did not answer is called again; the last one is repeated.
    pub retry_delays: Vec<Duration>,
}

impl Default for IndexLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 1000,
            lease: Duration::from_secs(90),
            greeting_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            reopen_delays: [1, 5, 15, 60].map(Duration::from_secs).to_vec(),
            commit_timeout: Duration::from_mins(2),
            probes: ProbeLimits::default(),
            tracker: TrackerLimits::default(),
            quotas: QuotaLimits::default(),
            budgets: BudgetLimits::default(),
            forget_after: Duration::from_hours(30 * 24),
            forget_short_lived_after: Duration::from_hours(24),
        }
    }
}

impl IndexLimits {
    /// Keeps all connections together below the number of descriptors that the process may have open, so that there is
    /// always one to turn somebody away with, and some for the store.
    #[must_use]
    pub fn within_descriptors(mut self, descriptors: usize) -> Self {
        let few = (descriptors / 16).max(1);
        self.probes.max_concurrent = self.probes.max_concurrent.min(few);
        self.tracker.connections = self.tracker.connections.min(descriptors / 4);
        let others = OWN_DESCRIPTORS + self.probes.max_concurrent + 2 * few + self.tracker.connections;
        self.connections = self.connections.min(descriptors.saturating_sub(others).max(1));
        self
    }
}

impl Default for QuotaLimits {
    fn default() -> Self {
        Self {
            registrations: RequestRate { per_second: 100, burst: 5000 },
            queries: RequestRate { per_second: 1000, burst: 20_000 },
            search_time_per_node: 200,
            search_time_per_address: 1000,
            nodes_per_address: 20,
            listed_per_address: 32,
            reports: RequestRate { per_second: 2, burst: 100 },
            files_per_node: MAX_FILES_PER_NODE,
            bytes_in_flight: 16 << 20,
            bytes_in_flight_per_address: 2 << 20,
            limit_loopback: false,
        }
    }
}

impl QuotaLimits {
    /// Returns which nodes are listed.
    pub(crate) const fn listing_rules(&self) -> ListingRules {
        ListingRules {
            per_address: NonZeroU32::new(self.listed_per_address),
            limit_loopback: self.limit_loopback,
        }
    }
}

impl RequestRate {
    /// Grants so many times as much.
    pub(crate) const fn scaled(self, times: u32) -> Self {
        Self { per_second: self.per_second.saturating_mul(times), burst: self.burst.saturating_mul(times) }
    }

    /// Grants so much a second and keeps the proportion of what may come at once.
    #[must_use]
    pub fn with_per_second(self, per_second: u32) -> Self {
        let times = self.burst.checked_div(self.per_second).unwrap_or(1);
        Self { per_second, burst: per_second.saturating_mul(times) }
    }
}

impl Default for ProbeLimits {
    fn default() -> Self {
        Self {
            max_concurrent: 64,
            timeout: Duration::from_secs(5),
            retry_delays: [5, 15, 60, 300].map(Duration::from_secs).to_vec(),
        }
    }
}

impl TrackerLimits {
    pub(crate) const fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            connection_lifetime: self.connection_lifetime,
            request_timeout: self.request_timeout,
        }
    }

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
            connection_lifetime: Duration::from_mins(1),
            request_timeout: Duration::from_secs(10),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_reserve_some_for_other_uses() {
        let few = IndexLimits::default().within_descriptors(64);
        let used = few.connections + few.tracker.connections + few.probes.max_concurrent;
        assert!(few.connections >= 1 && used + OWN_DESCRIPTORS + 8 <= 64, "{few:?}");
        let many = IndexLimits::default().within_descriptors(20_000);
        assert_eq!((many.connections, many.probes.max_concurrent), (10_000, 64));
        assert_eq!(IndexLimits::default().within_descriptors(0).connections, 1);
    }

    #[test]
    fn burst_scales_with_rate() {
        let rate = RequestRate { per_second: 100, burst: 5000 }.with_per_second(3);
        assert_eq!((rate.per_second, rate.burst), (3, 150));
    }
}
