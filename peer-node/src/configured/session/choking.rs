use std::time::Instant;

use protocol::configured::{ConfiguredPeerId, LogEvent};

use super::GroupSession;
use super::neighbour::Neighbour;
use swarm::{ChokeSelection, PeerKey, SourceId};

/// The neighbours that were served when the selection was last logged.
#[derive(Debug, Default)]
pub(super) struct LoggedSelection {
    preferred: Vec<ConfiguredPeerId>,
    optimistic: Option<ConfiguredPeerId>,
}

impl GroupSession {
    /// Applies the choker's selection when it is due.
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

    /// Logs the selection if it has changed.
    fn log_selection(&mut self) {
        let name = |key: PeerKey| Some(self.peers.get(source_id(key))?.peer);
        let mut preferred: Vec<ConfiguredPeerId> = self.choker.regular().filter_map(name).collect();
        preferred.sort_unstable();
        let optimistic = self.choker.optimistic().and_then(name);
        if preferred != self.logged_selection.preferred {
            self.logged_selection.preferred.clone_from(&preferred);
            // The log has no line for an empty selection.
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

/// Returns the choker's key of a connection.
pub(super) const fn peer_key(id: SourceId) -> PeerKey {
    PeerKey(id.0 as u64)
}

/// Returns the connection of a choker's key.
fn source_id(key: PeerKey) -> SourceId {
    // `peer_key` created the key from a `u32`.
    SourceId(u32::try_from(key.0).unwrap_or(u32::MAX))
}
