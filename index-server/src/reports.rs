//! Reports that sources do not answer: which of them the index follows up. Pure: the time is an argument.
//!
//! Nobody is believed. A report makes the index call the node itself, and only that decides. So that reports cost little, those of one
//! address about one node count once, one address makes only so many, and no node is called for them more than once a minute.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::address_group::AddressGroup;
use crate::ids::NodeNo;
use crate::limits::RequestRate;
use crate::rate_limiter::RateLimiter;

/// Reports of one address about one node count once in this time.
const REPORT_WINDOW: Duration = Duration::from_mins(10);

/// The pause between two calls of a node because of reports.
const PROBE_INTERVAL: Duration = Duration::from_mins(1);

/// How long a node is no source after the first call that it did not answer; doubled each time up to the longest time.
const MIN_DEMOTION: Duration = Duration::from_mins(1);
const MAX_DEMOTION: Duration = Duration::from_hours(1);

/// After so long without a report, a node's past is forgotten.
const RETENTION: Duration = Duration::from_hours(2);

/// The most nodes of which reports are kept. Only listed nodes can be reported, and of those there are no more than connections.
const MAX_NODES: usize = 16_384;

/// The most addresses of which it is kept that they reported a node; the one that did longest ago makes room.
const MAX_REPORTERS: usize = 8;

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportVerdict {
    /// The node is to be called.
    Probe,
    /// No such node is listed at that address.
    Unknown,
    /// The address has reported the node already.
    Repeated,
    /// The node was called a moment ago.
    Recent,
    /// The address reports too much, or reports of too many nodes are kept.
    TooMany,
}

impl ReportVerdict {
    pub(crate) const ALL: [Self; 5] =
        [Self::Probe, Self::Unknown, Self::Repeated, Self::Recent, Self::TooMany];

    /// Returns its name in the metrics.
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

/// What was reported lately.
#[derive(Debug)]
pub(crate) struct UnreachableReports {
    nodes: HashMap<NodeNo, ReportedNode>,
    rate_limiter: RateLimiter<AddressGroup>,
}

/// What was reported of a node.
#[derive(Debug)]
struct ReportedNode {
    reporters: Vec<(AddressGroup, Instant)>,
    last_probed: Option<Instant>,
    /// How often it did not answer.
    failures: u32,
    latest: Instant,
}

impl UnreachableReports {
    pub(crate) fn new(rate: RequestRate) -> Self {
        Self { nodes: HashMap::new(), rate_limiter: RateLimiter::new(rate) }
    }

    /// Takes a report that a listed node does not answer.
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
        if reported.reporters.len() == MAX_REPORTERS {
            reported.reporters.remove(0);
        }
        reported.reporters.push((from, now));
        reported.last_probed = Some(now);
        ReportVerdict::Probe
    }

    /// Notes that a node did not answer, and returns for how long it is no source.
    pub(crate) fn record_failure(&mut self, node: NodeNo) -> Duration {
        let Some(reported) = self.nodes.get_mut(&node) else { return MIN_DEMOTION };
        let doubled = 2_u32.saturating_pow(reported.failures);
        reported.failures = reported.failures.saturating_add(1);
        MIN_DEMOTION.saturating_mul(doubled).min(MAX_DEMOTION)
    }

    fn has_room(&mut self, now: Instant, node: NodeNo) -> bool {
        if self.nodes.len() < MAX_NODES || self.nodes.contains_key(&node) {
            return true;
        }
        self.nodes.retain(|_, reported| now.saturating_duration_since(reported.latest) < RETENTION);
        self.nodes.len() < MAX_NODES
    }
}
