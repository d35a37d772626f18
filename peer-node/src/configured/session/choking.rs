use std::time::Instant;

use protocol::configured::{ConfiguredPeerId, LogEvent};

use super::GroupSession;
use super::neighbour::Neighbour;
use swarm::{ChokeSelection, PeerKey, SourceId};

/// Who was served when it was last written down.
#[derive(Debug, Default)]
pub(super) struct LoggedSelection {
    preferred: Vec<ConfiguredPeerId>,
    optimistic: Option<ConfiguredPeerId>,
}

impl GroupSession {
    /// Serves those whom the choker selects, if the time for that has come, and no others.
    pub(super) fn update_choking(&mut self, now: Instant) {
        let Some(ChokeSelection { choked, unchoked }) = self.choker.select(now) else { return };
        for peer in choked {
            self.peers.get_mut(source_id(peer)).into_iter().for_each(Neighbour::choke);
        }
        for peer in unchoked {
            self.peers.get_mut(source_id(peer)).into_iter().for_each(Neighbour::unchoke);
        }
        self.log_selection();
    }

    /// Writes down who is served, if that has changed.
    fn log_selection(&mut self) {
        let name = |key: PeerKey| Some(self.peers.get(source_id(key))?.peer);
        let mut preferred: Vec<ConfiguredPeerId> = self.choker.regular().filter_map(name).collect();
        preferred.sort_unstable();
        let optimistic = self.choker.optimistic().and_then(name);
        if preferred != self.logged_selection.preferred {
            self.logged_selection.preferred.clone_from(&preferred);
            // There are no words for nobody.
            if !preferred.is_empty() {
                self.log.record(LogEvent::Preferred(preferred));
            }
        }
        if optimistic != self.logged_selection.optimistic {
            self.logged_selection.optimistic = optimistic;
            if let Some(peer) = optimistic {
                self.log.record(LogEvent::Optimistic(peer));
            }
        }
    }
}

/// Returns the number of a connection for the choker.
pub(super) const fn peer_key(id: SourceId) -> PeerKey {
    PeerKey(id.0 as u64)
}

/// Returns the connection that the choker knows by a number.
fn source_id(key: PeerKey) -> SourceId {
    // It was made of one.
    SourceId(u32::try_from(key.0).unwrap_or(u32::MAX))
}
