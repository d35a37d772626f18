use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::bittorrent::PeerId;
use protocol::bittorrent::mse::TorrentKey;
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use super::event::{WireEvent, WireEventSender};
use super::offering::TorrentOffering;
use super::wire::WireState;
use swarm::{SourceId, SourceIds};

/// A torrent that takes part, with its connections.
#[derive(Debug)]
pub(super) struct JoinedTorrent {
    pub(super) offering: Arc<TorrentOffering>,
    /// What stands for its infohash in key exchanges.
    pub(super) key: TorrentKey,
    ids: SourceIds,
    events: WireEventSender,
    wires: Mutex<HashMap<PeerId, Arc<WireState>>>,
    /// Ends its connections.
    pub(super) closed: CancellationToken,
}

/// Who hears of one connection.
#[derive(Debug, Clone)]
pub(super) struct WireReporter {
    pub(super) torrent: Arc<JoinedTorrent>,
    source: SourceId,
}

impl JoinedTorrent {
    pub(super) fn new(
        offering: Arc<TorrentOffering>,
        ids: SourceIds,
        events: WireEventSender,
        closed: CancellationToken,
    ) -> Self {
        let key = TorrentKey::of(offering.infohash());
        Self { offering, key, ids, events, wires: Mutex::default(), closed }
    }

    /// Counts its connections.
    pub(super) fn connection_count(&self) -> usize {
        self.wires.lock().len()
    }

    /// Takes a connection in, unless there is one to the same peer that is kept.
    ///
    /// When two peers dial each other at the same time, both keep the connection that the one with the greater id has made:
    /// otherwise each might drop the one that the other keeps.
    pub(super) fn add(self: &Arc<Self>, wire: &Arc<WireState>, us: PeerId) -> Option<WireReporter> {
        if self.closed.is_cancelled() {
            return None;
        }
        let dialled_by =
            |wire: &WireState| if wire.peer.is_inbound { wire.peer.handshake.peer_id } else { us };
        match self.wires.lock().entry(wire.peer.handshake.peer_id) {
            Entry::Vacant(place) => {
                place.insert(Arc::clone(wire));
            }
            Entry::Occupied(mut place) => {
                let other = place.get();
                if !other.closed.is_cancelled() && dialled_by(wire) <= dialled_by(other) {
                    return None;
                }
                other.close_with(CloseReason::Replaced);
                place.insert(Arc::clone(wire));
            }
        }
        Some(WireReporter { torrent: Arc::clone(self), source: self.ids.next() })
    }

    /// Forgets a connection that is over.
    pub(super) fn remove(&self, wire: &Arc<WireState>) {
        let mut wires = self.wires.lock();
        if wires.get(&wire.peer.handshake.peer_id).is_some_and(|other| Arc::ptr_eq(other, wire)) {
            wires.remove(&wire.peer.handshake.peer_id);
        }
    }
}

impl WireReporter {
    /// Tells an event. Nobody may listen any more, or the torrent be gone: then nobody needs to know.
    pub(super) async fn report(&self, event: WireEvent) {
        let telling = self.torrent.events.send((self.source, event));
        self.torrent.closed.run_until_cancelled(telling).await;
    }

    /// Tells an event if there is room: where there is none there is more than enough to hear.
    pub(super) fn try_report(&self, event: WireEvent) {
        let _ = self.torrent.events.try_send((self.source, event));
    }
}
