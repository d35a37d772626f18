//! Reports that sources do not answer: which of them the index follows up. Pure: the time is an argument.
//!
//! Nobody is believed. A report makes the index call the node itself, and only that decides. So that reports cost little, those of one
//! address about one node count once, one address makes only so many, and no node is called for them more than once a minute.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::catalog::NodeNo;
use crate::household::Household;
use crate::limits::RequestRate;
use crate::rates::Rates;

/// Reports of one address about one node count once in this time.
const PERIOD: Duration = Duration::from_mins(10);

/// The pause between two calls of a node because of reports.
const CALL_PAUSE: Duration = Duration::from_mins(1);

/// How long a node is no source after the first call that it did not answer; doubled each time up to the longest time.
const DEMOTION: Duration = Duration::from_mins(1);
const LONGEST_DEMOTION: Duration = Duration::from_hours(1);

/// After so long without a report, a node's past is forgotten.
const MEMORY: Duration = Duration::from_hours(2);

/// The most nodes of which reports are kept. Only listed nodes can be reported, and of those there are no more than connections.
const MOST_NODES: usize = 16_384;

/// The most addresses of which it is kept that they reported a node; the one that did longest ago makes room.
const MOST_REPORTERS: usize = 8;

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node is to be called.
    Call,
    /// No such node is listed at that address.
    Unknown,
    /// The address has reported the node already.
    Repeated,
    /// The node was called a moment ago.
    Recent,
    /// The address reports too much, or reports of too many nodes are kept.
    TooMany,
}

impl Verdict {
    pub(crate) const ALL: [Self; 5] =
        [Self::Call, Self::Unknown, Self::Repeated, Self::Recent, Self::TooMany];

    /// Returns its name in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Call => "called",
            Self::Unknown => "unknown",
            Self::Repeated => "repeated",
            Self::Recent => "recent",
            Self::TooMany => "too_many",
        }
    }
}

/// What was reported lately.
#[derive(Debug)]
pub(crate) struct Reports {
    nodes: HashMap<NodeNo, Reported>,
    rates: Rates<Household>,
}

/// What was reported of a node.
#[derive(Debug)]
struct Reported {
    by: Vec<(Household, Instant)>,
    called: Option<Instant>,
    /// How often it did not answer.
    confirmed: u32,
    latest: Instant,
}

impl Reports {
    pub(crate) fn new(rate: RequestRate) -> Self {
        Self { nodes: HashMap::new(), rates: Rates::new(rate) }
    }

    /// Takes a report that a listed node does not answer.
    pub(crate) fn take(&mut self, now: Instant, node: NodeNo, from: Household) -> Verdict {
        if self.rates.pass(now, from).is_err() || !self.has_room(now, node) {
            return Verdict::TooMany;
        }
        let fresh = || Reported { by: Vec::new(), called: None, confirmed: 0, latest: now };
        let reported = self.nodes.entry(node).or_insert_with(fresh);
        if now.saturating_duration_since(reported.latest) >= MEMORY {
            *reported = fresh();
        }
        reported.latest = now;
        reported.by.retain(|(_, at)| now.saturating_duration_since(*at) < PERIOD);
        if reported.by.iter().any(|(reporter, _)| *reporter == from) {
            return Verdict::Repeated;
        }
        if reported.called.is_some_and(|at| now.saturating_duration_since(at) < CALL_PAUSE) {
            return Verdict::Recent;
        }
        if reported.by.len() == MOST_REPORTERS {
            reported.by.remove(0);
        }
        reported.by.push((from, now));
        reported.called = Some(now);
        Verdict::Call
    }

    /// Notes that a node did not answer, and returns for how long it is no source.
    pub(crate) fn confirm(&mut self, node: NodeNo) -> Duration {
        let Some(reported) = self.nodes.get_mut(&node) else { return DEMOTION };
        let doubled = 2_u32.saturating_pow(reported.confirmed);
        reported.confirmed = reported.confirmed.saturating_add(1);
        DEMOTION.saturating_mul(doubled).min(LONGEST_DEMOTION)
    }

    fn has_room(&mut self, now: Instant, node: NodeNo) -> bool {
        if self.nodes.len() < MOST_NODES || self.nodes.contains_key(&node) {
            return true;
        }
        self.nodes.retain(|_, reported| now.saturating_duration_since(reported.latest) < MEMORY);
        self.nodes.len() < MOST_NODES
    }
}
