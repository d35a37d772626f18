use std::collections::BTreeMap;

use parking_lot::Mutex;
use protocol::configured::{Framing, PeerId};
use tokio::sync::watch;

/// What lengths count in the messages of the other peers, as far as these have sent any.
#[derive(Debug)]
pub(super) struct SpokenFramings {
    /// No more than the listed peers.
    known: Mutex<BTreeMap<PeerId, Framing>>,
    /// What they count at most of them.
    usual: watch::Sender<Option<Framing>>,
}

impl SpokenFramings {
    pub(super) fn new() -> Self {
        Self { known: Mutex::default(), usual: watch::channel(None).0 }
    }

    /// Notes what lengths count in the messages of a peer.
    pub(super) fn received(&self, peer: PeerId, framing: Framing) {
        let mut known = self.known.lock();
        known.insert(peer, framing);
        let exclusive = known.values().filter(|framing| **framing == Framing::Exclusive).count();
        let is_exclusive = exclusive > known.len() - exclusive;
        let usual = if is_exclusive { Framing::Exclusive } else { Framing::Inclusive };
        self.usual.send_replace(Some(usual));
    }

    /// Returns what lengths count in the messages of a peer, if it has sent any.
    pub(super) fn of(&self, peer: PeerId) -> Option<Framing> {
        self.known.lock().get(&peer).copied()
    }

    /// Waits until any peer has sent a message, and returns what lengths count at most of them.
    pub(super) async fn usual(&self) -> Framing {
        let mut usual = self.usual.subscribe();
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
    async fn the_majority_decides_and_inclusive_a_tie() {
        let spoken = SpokenFramings::new();
        assert_eq!(spoken.of(PeerId(1)), None);
        spoken.received(PeerId(1), Framing::Exclusive);
        assert_eq!(
            (spoken.of(PeerId(1)), spoken.usual().await),
            (Some(Framing::Exclusive), Framing::Exclusive)
        );
        spoken.received(PeerId(2), Framing::Inclusive);
        assert_eq!(spoken.usual().await, Framing::Inclusive);
        spoken.received(PeerId(3), Framing::Exclusive);
        assert_eq!(spoken.usual().await, Framing::Exclusive);
        // What a peer speaks now replaces what it spoke before.
        spoken.received(PeerId(3), Framing::Inclusive);
        assert_eq!(spoken.usual().await, Framing::Inclusive);
    }
}
