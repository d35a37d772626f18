use std::collections::BTreeMap;

use parking_lot::Mutex;
use protocol::configured::{ConfiguredPeerId, Framing};
use tokio::sync::watch;

/// The framings that other peers use, as far as they are known.
#[derive(Debug)]
pub(super) struct PeerFramings {
    /// Framing of each peer that has sent a message; at most all listed peers.
    known: Mutex<BTreeMap<ConfiguredPeerId, Framing>>,
    /// Framing of the majority.
    majority: watch::Sender<Option<Framing>>,
}

impl PeerFramings {
    pub(super) fn new() -> Self {
        Self { known: Mutex::default(), majority: watch::channel(None).0 }
    }

    /// Records the framing of a peer.
    pub(super) fn record(&self, peer: ConfiguredPeerId, framing: Framing) {
        let mut known = self.known.lock();
        known.insert(peer, framing);
        let exclusive = known.values().filter(|framing| **framing == Framing::Exclusive).count();
        let is_exclusive = exclusive > known.len() - exclusive;
        let majority = if is_exclusive { Framing::Exclusive } else { Framing::Inclusive };
        self.majority.send_replace(Some(majority));
    }

    /// Returns the framing of a peer, if it has sent a message.
    pub(super) fn get(&self, peer: ConfiguredPeerId) -> Option<Framing> {
        self.known.lock().get(&peer).copied()
    }

    /// Waits until any peer has sent a message, and returns the majority's framing. Cancel safe.
    pub(super) async fn majority(&self) -> Framing {
        let mut majority = self.majority.subscribe();
        loop {
            if let Some(framing) = *majority.borrow_and_update() {
                return framing;
            }
            // The sender lives as long as `self`.
            if majority.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn majority_decides_and_a_tie_means_inclusive() {
        let framings = PeerFramings::new();
        assert_eq!(framings.get(ConfiguredPeerId(1)), None);
        framings.record(ConfiguredPeerId(1), Framing::Exclusive);
        assert_eq!(
            (framings.get(ConfiguredPeerId(1)), framings.majority().await),
            (Some(Framing::Exclusive), Framing::Exclusive)
        );
        framings.record(ConfiguredPeerId(2), Framing::Inclusive);
        assert_eq!(framings.majority().await, Framing::Inclusive);
        framings.record(ConfiguredPeerId(3), Framing::Exclusive);
        assert_eq!(framings.majority().await, Framing::Exclusive);
        // The latest framing of a peer counts.
        framings.record(ConfiguredPeerId(3), Framing::Inclusive);
        assert_eq!(framings.majority().await, Framing::Inclusive);
    }
}
