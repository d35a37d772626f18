use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::index::NodePlace;

/// The most reports that are remembered.
const MOST: usize = 1024;

/// A source is reported once in this time: the index counts no more.
const PERIOD: Duration = Duration::from_mins(10);

/// The sources that the index was told of because they do not answer, the latest last. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct DeadSources(VecDeque<(NodePlace, Instant)>);

impl DeadSources {
    /// Returns true if a source is to be reported, and takes it for reported from then on.
    pub(super) fn is_due(&mut self, place: &NodePlace, now: Instant) -> bool {
        while let Some((_, at)) = self.0.front()
            && (now.saturating_duration_since(*at) >= PERIOD || self.0.len() >= MOST)
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

    fn place(port: u16) -> NodePlace {
        NodePlace { node: NodeId::from_bytes([1; 32]), address: ([192, 0, 2, 1], port).into() }
    }

    #[test]
    fn a_source_is_reported_once_in_a_while() {
        let (mut dead, now) = (DeadSources::default(), Instant::now());
        assert!(dead.is_due(&place(1), now) && dead.is_due(&place(2), now));
        assert!(!dead.is_due(&place(1), now + PERIOD / 2));
        assert!(dead.is_due(&place(1), now + PERIOD));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (mut dead, now) = (DeadSources::default(), Instant::now());
        assert!((0..5000).all(|port| dead.is_due(&place(port), now)));
        assert_eq!(dead.0.len(), MOST);
    }
}
