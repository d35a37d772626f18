use std::collections::BTreeMap;

use parking_lot::Mutex;
use protocol::configured::{ConfiguredPeerId, Framing};
use tokio::sync::watch;

/// What lengths count in the messages of the other peers, as far as these have sent any.
#[derive(Debug)]
pub(super) struct PeerFramings {
    /// No more than the listed peers.
    known: Mutex<BTreeMap<ConfiguredPeerId, Framing>>,
    /// What they count at most of them.
    majority: watch::Sender<Option<Framing>>,
}

impl PeerFramings {
    pub(super) fn new() -> Self {
        Self { known: Mutex::default(), majority: watch::channel(None).0 }
    }

    /// Notes what lengths count in the messages of a peer.
    pub(super) fn record(&self, peer: ConfiguredPeerId, framing: Framing) {
        let mut known = self.known.lock();
        known.insert(peer, framing);
        let exclusive = known.values().filter(|framing| **framing == Framing::Exclusive).count();
        let is_exclusive = exclusive > known.len() - exclusive;
        let usual = if is_exclusive { Framing::Exclusive } else { Framing::Inclusive };
        self.majority.send_replace(Some(usual));
    }

    /// Returns what lengths count in the messages of a peer, if it has sent any.
    pub(super) fn get(&self, peer: ConfiguredPeerId) -> Option<Framing> {
        self.known.lock().get(&peer).copied()
    }

    /// Waits until any peer has sent a message, and returns what lengths count at most of them.
    pub(super) async fn majority(&self) -> Framing {
        let mut usual = self.majority.subscribe();
        loop {
            if let Some(framing) = *usual.borrow_and_update() {
                return framing;
            }
            // The sender lives as long as this.
            if usual.changed().await.is_err() {
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
        let spoken = PeerFramings::new();
        assert_eq!(spoken.get(ConfiguredPeerId(1)), None);
        spoken.record(ConfiguredPeerId(1), Framing::Exclusive);
        assert_eq!(
            (spoken.get(ConfiguredPeerId(1)), spoken.majority().await),
            (Some(Framing::Exclusive), Framing::Exclusive)
        );
        spoken.record(ConfiguredPeerId(2), Framing::Inclusive);
        assert_eq!(spoken.majority().await, Framing::Inclusive);
        spoken.record(ConfiguredPeerId(3), Framing::Exclusive);
        assert_eq!(spoken.majority().await, Framing::Exclusive);
        // What a peer speaks now replaces what it spoke before.
        spoken.record(ConfiguredPeerId(3), Framing::Inclusive);
        assert_eq!(spoken.majority().await, Framing::Inclusive);
    }
}
