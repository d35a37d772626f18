use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::index::NodeAddress;

/// The most reports that are remembered.
const MAX_REMEMBERED: usize = 1024;

/// A source is reported once in this time: the index counts no more.
const REPORT_INTERVAL: Duration = Duration::from_mins(10);

/// The sources that the index was told of because they do not answer, the latest last. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct DeadSources(VecDeque<(NodeAddress, Instant)>);

impl DeadSources {
    /// Returns true if a source is to be reported, and takes it for reported from then on.
    pub(super) fn should_report(&mut self, place: &NodeAddress, now: Instant) -> bool {
        while let Some((_, at)) = self.0.front()
            && (now.saturating_duration_since(*at) >= REPORT_INTERVAL || self.0.len() >= MAX_REMEMBERED)
        {
            self.0.pop_front();
        }
        if self.0.iter().any(|(reported, _)| reported == place) {
            return false;
        }
        self.0.push_back((place.clone(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use protocol::node_id::NodeId;

    use super::*;

    fn place(port: u16) -> NodeAddress {
        NodeAddress { node: NodeId::from_bytes([1; 32]), address: ([192, 0, 2, 1], port).into() }
    }

    #[test]
    fn source_is_reported_once_per_interval() {
        let (mut dead, now) = (DeadSources::default(), Instant::now());
        assert!(dead.should_report(&place(1), now) && dead.should_report(&place(2), now));
        assert!(!dead.should_report(&place(1), now + REPORT_INTERVAL / 2));
        assert!(dead.should_report(&place(1), now + REPORT_INTERVAL));
    }

    #[test]
    fn number_of_remembered_reports_is_bounded() {
        let (mut dead, now) = (DeadSources::default(), Instant::now());
        assert!((0..5000).all(|port| dead.should_report(&place(port), now)));
        assert_eq!(dead.0.len(), MAX_REMEMBERED);
    }
}
