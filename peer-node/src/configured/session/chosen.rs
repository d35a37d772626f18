use std::time::Instant;

use protocol::configured::{LogEvent, PeerId};

use super::Session;
use super::neighbour::Neighbour;
use crate::swarm::{PeerKey, Selection, SourceId};

/// Who was served when it was last written down.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    preferred: Vec<PeerId>,
    optimistic: Option<PeerId>,
}

impl Session {
    /// Serves those whom the choker selects, if the time for that has come, and no others.
    pub(super) fn choke(&mut self, now: Instant) {
        let Some(Selection { choked, unchoked }) = self.choker.select(now) else { return };
        for peer in choked {
            self.group.get_mut(source(peer)).into_iter().for_each(Neighbour::refuse);
        }
        for peer in unchoked {
            self.group.get_mut(source(peer)).into_iter().for_each(Neighbour::serve);
        }
        self.write_down();
    }

    /// Writes down who is served, if that has changed.
    fn write_down(&mut self) {
        let name = |key: PeerKey| Some(self.group.get(source(key))?.peer);
        let mut preferred: Vec<PeerId> = self.choker.regular().filter_map(name).collect();
        preferred.sort_unstable();
        let optimistic = self.choker.optimistic().and_then(name);
        if preferred != self.chosen.preferred {
            self.chosen.preferred.clone_from(&preferred);
            // There are no words for nobody.
            if !preferred.is_empty() {
                self.log.note(LogEvent::Preferred(preferred));
            }
        }
        if optimistic != self.chosen.optimistic {
            self.chosen.optimistic = optimistic;
            if let Some(peer) = optimistic {
                self.log.note(LogEvent::Optimistic(peer));
            }
        }
    }
}

/// Returns the number of a connection for the choker.
pub(super) const fn key(id: SourceId) -> PeerKey {
    PeerKey(id.0 as u64)
}

/// Returns the connection that the choker knows by a number.
fn source(key: PeerKey) -> SourceId {
    // It was made of one.
    SourceId(u32::try_from(key.0).unwrap_or(u32::MAX))
}
