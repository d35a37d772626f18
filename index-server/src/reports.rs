//! Decides which reports of unreachable sources the index follows up. Pure: the time is an argument.
//!
//! No report is trusted: it only makes the index probe the node itself. To bound the cost, reports from one address about one
//! node count once, reports per address are rate limited, and a node is probed at most once a minute because of reports.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::backoff::BackoffRange;

use crate::address_group::AddressGroup;
use crate::ids::NodeNo;
use crate::limits::RequestRate;
use crate::rate_limiter::RateLimiter;

/// Reports from one address about one node count once within this time.
const REPORT_WINDOW: Duration = Duration::from_mins(10);

/// The minimum interval between two probes of a node because of reports.
const PROBE_INTERVAL: Duration = Duration::from_mins(1);

/// How long a node is unlisted after an unanswered probe: minimum and maximum.
const DEMOTIONS: BackoffRange = BackoffRange::new(Duration::from_mins(1), Duration::from_hours(1));

/// A node's history is discarded after this time without a report.
const RETENTION: Duration = Duration::from_hours(2);

/// Maximum number of nodes with reports. Only listed nodes can be reported, and these are limited by the connections.
const MAX_NODES: usize = 16_384;

/// Maximum number of reporting addresses remembered per node; the oldest is replaced.
const MAX_REPORTERS: usize = 8;

/// The outcome of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportVerdict {
    /// The node is to be probed.
    Probe,
    /// No such node is listed at that address.
    Unknown,
    /// The address has already reported the node.
    Repeated,
    /// The node was probed recently.
    Recent,
    /// The address sends too many reports, or reports about too many nodes are stored.
    TooMany,
}

impl ReportVerdict {
    pub(crate) const ALL: [Self; 5] =
        [Self::Probe, Self::Unknown, Self::Repeated, Self::Recent, Self::TooMany];

    /// Returns the name used in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Probe => "called",
            Self::Unknown => "unknown",
            Self::Repeated => "repeated",
            Self::Recent => "recent",
            Self::TooMany => "too_many",
        }
    }
}

/// The recent reports.
#[derive(Debug)]
pub(crate) struct UnreachableReports {
    nodes: HashMap<NodeNo, ReportedNode>,
    rate_limiter: RateLimiter<AddressGroup>,
}

/// The reports about a node.
#[derive(Debug)]
struct ReportedNode {
    reporters: Vec<(AddressGroup, Instant)>,
    last_probed: Option<Instant>,
    /// The number of unanswered probes.
    failures: u32,
    latest: Instant,
}

impl UnreachableReports {
    pub(crate) fn new(rate: RequestRate) -> Self {
        Self { nodes: HashMap::new(), rate_limiter: RateLimiter::new(rate) }
    }

    /// Records a report that a listed node does not answer.
    pub(crate) fn record(&mut self, now: Instant, node: NodeNo, from: AddressGroup) -> ReportVerdict {
        if self.rate_limiter.try_acquire(now, from).is_err() || !self.has_room(now, node) {
            return ReportVerdict::TooMany;
        }
        let fresh = || ReportedNode { reporters: Vec::new(), last_probed: None, failures: 0, latest: now };
        let reported = self.nodes.entry(node).or_insert_with(fresh);
        if now.saturating_duration_since(reported.latest) >= RETENTION {
            *reported = fresh();
        }
        reported.latest = now;
        reported.reporters.retain(|(_, at)| now.saturating_duration_since(*at) < REPORT_WINDOW);
        if reported.reporters.iter().any(|(reporter, _)| *reporter == from) {
            return ReportVerdict::Repeated;
        }
        if reported.last_probed.is_some_and(|at| now.saturating_duration_since(at) < PROBE_INTERVAL) {
            return ReportVerdict::Recent;
        }
        // The oldest reporter makes room.
        if reported.reporters.len() == MAX_REPORTERS {
            reported.reporters.remove(0);
        }
        reported.reporters.push((from, now));
        reported.last_probed = Some(now);
        ReportVerdict::Probe
    }

    /// Records an unanswered probe; returns how long the node is unlisted. `random` adds jitter.
    pub(crate) fn record_failure(&mut self, node: NodeNo, random: u64) -> Duration {
        let Some(reported) = self.nodes.get_mut(&node) else { return DEMOTIONS.delay(0, random) };
        let demotion = DEMOTIONS.delay(reported.failures, random);
        reported.failures = reported.failures.saturating_add(1);
        demotion
    }

    fn has_room(&mut self, now: Instant, node: NodeNo) -> bool {
        if self.nodes.len() < MAX_NODES || self.nodes.contains_key(&node) {
            return true;
        }
        self.nodes.retain(|_, reported| now.saturating_duration_since(reported.latest) < RETENTION);
        self.nodes.len() < MAX_NODES
    }
}
