use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::index::ContentSource;

/// Maximum number of contents with hints: those of a few pages of hits.
const MAX_CONTENTS: usize = 100;

/// Maximum age of a hint. Older sources are likely to be gone.
const MAX_AGE: Duration = Duration::from_mins(5);

/// Sources that came with the hits of recent searches, newest last. They save a round trip to the index at the start of a
/// download, which still asks the index.
#[derive(Debug, Default)]
pub(super) struct HintedSources(VecDeque<SourceHint>);

#[derive(Debug)]
struct SourceHint {
    digest: Digest,
    sources: Vec<ContentSource>,
    at: Instant,
}

impl HintedSources {
    /// Records the sources of contents, replacing earlier ones.
    pub(super) fn record(&mut self, found: Vec<(Digest, Vec<ContentSource>)>, at: Instant) {
        for (digest, sources) in found {
            self.0.retain(|hint| hint.digest != digest);
            self.0.push_back(SourceHint { digest, sources, at });
        }
        let surplus = self.0.len().saturating_sub(MAX_CONTENTS);
        self.0.drain(..surplus);
    }

    /// Returns the recently recorded sources of a content.
    pub(super) fn sources(&self, digest: &Digest, now: Instant) -> Vec<ContentSource> {
        let fresh =
            |hint: &&SourceHint| hint.digest == *digest && now.saturating_duration_since(hint.at) < MAX_AGE;
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

    fn source(port: u16) -> ContentSource {
        let (node, address) = (NodeId::from_bytes([1; 32]), ([192, 0, 2, 1], port).into());
        ContentSource { node, address, share: Share::Complete }
    }

    #[test]
    fn newest_hints_are_used_until_they_expire() {
        let (mut hinted, now) = (HintedSources::default(), Instant::now());
        hinted.record(vec![(digest(1), vec![source(1)]), (digest(2), vec![source(2)])], now);
        hinted.record(vec![(digest(1), vec![source(3)])], now);
        assert_eq!(hinted.sources(&digest(1), now), [source(3)]);
        assert_eq!(hinted.sources(&digest(2), now + MAX_AGE / 2), [source(2)]);
        assert_eq!(hinted.sources(&digest(2), now + MAX_AGE), []);
        assert_eq!(hinted.sources(&digest(3), now), []);
    }

    #[test]
    fn only_the_newest_contents_are_kept() {
        let (mut hinted, now) = (HintedSources::default(), Instant::now());
        hinted.record((0..2 * MAX_CONTENTS).map(|number| (digest(number), vec![source(1)])).collect(), now);
        assert_eq!(hinted.0.len(), MAX_CONTENTS);
        assert_eq!(hinted.sources(&digest(0), now), []);
        assert_eq!(hinted.sources(&digest(2 * MAX_CONTENTS - 1), now), [source(1)]);
    }
}
