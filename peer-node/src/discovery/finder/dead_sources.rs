use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::index::NodeAddress;

/// Maximum number of remembered reports.
const MAX_REMEMBERED: usize = 1024;

/// Minimum interval between two reports of a source; the index ignores more.
const REPORT_INTERVAL: Duration = Duration::from_mins(10);

/// The sources that were reported to the index as unreachable, latest last. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct DeadSources(VecDeque<(NodeAddress, Instant)>);

impl DeadSources {
    /// Returns true if the source should be reported, and marks it as reported.
    pub(super) fn should_report(&mut self, source: &NodeAddress, now: Instant) -> bool {
        while let Some((_, at)) = self.0.front()
            && (now.saturating_duration_since(*at) >= REPORT_INTERVAL || self.0.len() >= MAX_REMEMBERED)
        {
            self.0.pop_front();
        }
        if self.0.iter().any(|(reported, _)| reported == source) {
            return false;
        }
        self.0.push_back((source.clone(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use protocol::node_id::NodeId;

    use super::*;

    fn source(port: u16) -> NodeAddress {
        NodeAddress { node: NodeId::from_bytes([1; 32]), address: ([192, 0, 2, 1], port).into() }
    }

    #[test]
    fn source_is_reported_once_per_interval() {
        let (mut dead, now) = (DeadSources::default(), Instant::now());
        assert!(dead.should_report(&source(1), now) && dead.should_report(&source(2), now));
        assert!(!dead.should_report(&source(1), now + REPORT_INTERVAL / 2));
        assert!(dead.should_report(&source(1), now + REPORT_INTERVAL));
    }

    #[test]
    fn number_of_remembered_reports_is_bounded() {
        let (mut dead, now) = (DeadSources::default(), Instant::now());
        assert!((0..5000).all(|port| dead.should_report(&source(port), now)));
        assert_eq!(dead.0.len(), MAX_REMEMBERED);
    }
}
