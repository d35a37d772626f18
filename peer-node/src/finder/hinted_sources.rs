use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::index::Source;

/// The most contents whose sources are noted: those of a few pages of hits.
const MOST: usize = 100;

/// How long sources are worth dialling before the index is asked; longer, and it is likely that they are gone.
const FRESH: Duration = Duration::from_mins(5);

/// Sources that came with the hits of recent searches, the newest last. They save a round trip to the index at the beginning of a
/// download; the index is asked all the same.
#[derive(Debug, Default)]
pub(super) struct HintedSources(VecDeque<Hint>);

#[derive(Debug)]
struct Hint {
    digest: Digest,
    sources: Vec<Source>,
    at: Instant,
}

impl HintedSources {
    /// Notes the sources of some contents in place of those known before.
    pub(super) fn note(&mut self, found: Vec<(Digest, Vec<Source>)>, at: Instant) {
        for (digest, sources) in found {
            self.0.retain(|hint| hint.digest != digest);
            self.0.push_back(Hint { digest, sources, at });
        }
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    /// Returns the sources of a content, if any were noted recently.
    pub(super) fn sources(&self, digest: &Digest, now: Instant) -> Vec<Source> {
        let fresh = |hint: &&Hint| hint.digest == *digest && now.saturating_duration_since(hint.at) < FRESH;
        self.0.iter().find(fresh).map(|hint| hint.sources.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use protocol::index::Share;
    use protocol::node_id::NodeId;

    use super::*;

    fn digest(number: usize) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Digest::from_bytes(bytes)
    }

    fn source(port: u16) -> Source {
        let (node, address) = (NodeId::from_bytes([1; 32]), ([192, 0, 2, 1], port).into());
        Source { node, address, share: Share::Whole }
    }

    #[test]
    fn the_newest_sources_of_a_content_count_for_some_minutes() {
        let (mut hinted, now) = (HintedSources::default(), Instant::now());
        hinted.note(vec![(digest(1), vec![source(1)]), (digest(2), vec![source(2)])], now);
        hinted.note(vec![(digest(1), vec![source(3)])], now);
        assert_eq!(hinted.sources(&digest(1), now), [source(3)]);
        assert_eq!(hinted.sources(&digest(2), now + FRESH / 2), [source(2)]);
        assert_eq!(hinted.sources(&digest(2), now + FRESH), []);
        assert_eq!(hinted.sources(&digest(3), now), []);
    }

    #[test]
    fn only_so_many_contents_are_kept_the_newest_ones() {
        let (mut hinted, now) = (HintedSources::default(), Instant::now());
        hinted.note((0..2 * MOST).map(|number| (digest(number), vec![source(1)])).collect(), now);
        assert_eq!(hinted.0.len(), MOST);
        assert_eq!(hinted.sources(&digest(0), now), []);
        assert_eq!(hinted.sources(&digest(2 * MOST - 1), now), [source(1)]);
    }
}
