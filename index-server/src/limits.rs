//! Limits for clients: counts, sizes, rates and timeouts.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::limits::MAX_FILES_PER_NODE;

use crate::budgets::BudgetLimits;
use crate::roster::ListingRules;

/// File descriptors used for other purposes: the store with its folder and lock, listening sockets, and the runtime.
const OWN_DESCRIPTORS: usize = 32;

/// The limits of a running index.
#[derive(Debug, Clone)]
pub struct IndexLimits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of connections per address; loopback is exempt.
    pub connections_per_address: usize,
    /// A node that sends nothing for this long is disconnected.
    pub lease: Duration,
    /// Timeout for the greeting, from accepting the connection to the proof.
    pub greeting_timeout: Duration,
    /// Timeout for a message from its first byte to its last.
    pub frame_timeout: Duration,
    /// Timeout for a client to accept a reply.
    pub write_timeout: Duration,
    /// Delays before a failed store is reopened; the last one repeats.
    pub reopen_delays: Vec<Duration>,
    /// Timeout for a write to the store, after which the index exits with an error; zero means unlimited.
    pub commit_timeout: Duration,
    /// How nodes are probed.
    pub probes: ProbeLimits,
    /// The limits of the tracker.
    pub tracker: TrackerLimits,
    /// The quotas of nodes and addresses.
    pub quotas: QuotaLimits,
    /// The byte budgets of lists.
    pub budgets: BudgetLimits,
    /// The list of a node that was not seen for this long expires.
    pub expire_after: Duration,
    /// The same for a node that was online for less than an hour in total.
    pub expire_short_lived_after: Duration,
}

/// Request quotas per node, and for all nodes at an address together.
#[derive(Debug, Clone)]
pub struct QuotaLimits {
    /// List changes per node.
    pub registrations: RequestRate,
    /// Searches and other queries per node.
    pub queries: RequestRate,
    /// Milliseconds of processor time per second for the searches of a node; 0 means unlimited.
    pub search_time_per_node: u32,
    /// The same for all nodes at an address together.
    pub search_time_per_address: u32,
    /// The quota of an address, as a multiple of the quota of a node.
    pub nodes_per_address: u32,
    /// Maximum number of listed nodes per address; 0 means unlimited.
    pub listed_per_address: u32,
    /// Reports of unreachable sources per address.
    pub reports: RequestRate,
    /// Maximum number of files per node, up to [`MAX_FILES_PER_NODE`].
    pub files_per_node: u32,
    /// Maximum bytes of long messages in memory: requests being read or answered, and replies that clients have not accepted
    /// yet.
    pub bytes_in_flight: usize,
    /// The same per address.
    pub bytes_in_flight_per_address: usize,
    /// Whether the limits per address and the rates apply to loopback addresses too.
    pub limit_loopback: bool,
}

/// The limits of an HTTP service.
#[derive(Debug, Clone)]
pub(crate) struct HttpLimits {
    /// Maximum number of connections.
    pub(crate) connections: usize,
    /// Maximum number of connections per address; loopback is exempt.
    pub(crate) connections_per_address: usize,
    /// Maximum lifetime of a connection, even if busy.
    pub(crate) connection_lifetime: Duration,
    /// Timeout for a request, including the wait for it, until its last byte.
    pub(crate) request_timeout: Duration,
}

/// The limits of the tracker.
#[derive(Debug, Clone)]
pub struct TrackerLimits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of connections per address; loopback is exempt.
    pub connections_per_address: usize,
    /// Maximum lifetime of a connection, even if busy.
    pub connection_lifetime: Duration,
    /// Timeout for a request, including the wait for it, until its last byte.
    pub request_timeout: Duration,
    /// Requests per address.
    pub rate: RequestRate,
    /// The announce interval that clients are given.
    pub interval: Duration,
    /// The minimum announce interval.
    pub min_interval: Duration,
    /// The limits of the peers kept.
    pub swarms: SwarmLimits,
}

/// A sustained request rate and a burst.
#[derive(Debug, Clone, Copy)]
pub struct RequestRate {
    /// Sustained requests per second.
    pub per_second: u32,
    /// Maximum number of requests at once.
    pub burst: u32,
}

/// How many torrent peers are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct SwarmLimits {
    /// In total; a peer takes up to 1.6 KiB if it is alone in its torrent.
    pub peers: usize,
    /// Per torrent.
    pub peers_per_torrent: usize,
    /// Per address, or per IPv6 network.
    pub peers_per_address: usize,
    /// Per torrent and address.
    pub peers_per_torrent_and_address: usize,
    /// A peer that does not announce for this long is removed.
    pub lifetime: Duration,
}

/// How the index probes whether nodes can be reached.
#[derive(Debug, Clone)]
pub struct ProbeLimits {
    /// Maximum number of concurrent probes.
    pub max_concurrent: usize,
    /// Timeout of a probe.
    pub timeout: Duration,
    /// Delays before a node that did not answer is probed again; the last one repeats.
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
            expire_after: Duration::from_hours(30 * 24),
            expire_short_lived_after: Duration::from_hours(24),
        }
    }
}

impl IndexLimits {
    /// Keeps all connections together below the limit of file descriptors, with some to spare for refusing clients and for the
    /// store.
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
    /// Returns the rules for listing nodes.
    pub(crate) const fn listing_rules(&self) -> ListingRules {
        ListingRules {
            per_address: NonZeroU32::new(self.listed_per_address),
            limit_loopback: self.limit_loopback,
        }
    }
}

impl RequestRate {
    /// Multiplies rate and burst.
    pub(crate) const fn scaled(self, times: u32) -> Self {
        Self { per_second: self.per_second.saturating_mul(times), burst: self.burst.saturating_mul(times) }
    }

    /// Sets the rate and scales the burst in proportion.
    #[must_use]
    pub fn with_per_second(self, per_second: u32) -> Self {
        let ratio = self.burst.checked_div(self.per_second).unwrap_or(1);
        Self { per_second, burst: per_second.saturating_mul(ratio) }
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

    /// Sets the announce interval, and keeps peers for twice that and a minute.
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
