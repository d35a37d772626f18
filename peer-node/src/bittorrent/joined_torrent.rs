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

/// A torrent that has joined, with its connections.
#[derive(Debug)]
pub(super) struct JoinedTorrent {
    pub(super) offering: Arc<TorrentOffering>,
    /// Represents the infohash in key exchanges.
    pub(super) key: TorrentKey,
    ids: SourceIds,
    events: WireEventSender,
    wires: Mutex<HashMap<PeerId, Arc<WireState>>>,
    /// Cancelled when the torrent leaves; ends its connections.
    pub(super) closed: CancellationToken,
}

/// Sends the events of one connection to the torrent's owner.
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

    /// Returns the number of connections.
    pub(super) fn connection_count(&self) -> usize {
        self.wires.lock().len()
    }

    /// Adds a connection. Returns none if another connection to the same peer is kept.
    ///
    /// When two peers dial each other at the same time, both keep the connection dialled by the peer with the greater
    /// id. Otherwise each might drop the one that the other keeps.
    pub(super) fn add(self: &Arc<Self>, wire: &Arc<WireState>, own_id: PeerId) -> Option<WireReporter> {
        if self.closed.is_cancelled() {
            return None;
        }
        let dialled_by =
            |wire: &WireState| if wire.peer.is_inbound { wire.peer.handshake.peer_id } else { own_id };
        match self.wires.lock().entry(wire.peer.handshake.peer_id) {
            Entry::Vacant(vacant) => {
                vacant.insert(Arc::clone(wire));
            }
            Entry::Occupied(mut occupied) => {
                let other = occupied.get();
                if !other.closed.is_cancelled() && dialled_by(wire) <= dialled_by(other) {
                    return None;
                }
                other.close_with(CloseReason::Replaced);
                occupied.insert(Arc::clone(wire));
            }
        }
        Some(WireReporter { torrent: Arc::clone(self), source: self.ids.next() })
    }

    /// Removes a closed connection.
    pub(super) fn remove(&self, wire: &Arc<WireState>) {
        let mut wires = self.wires.lock();
        if wires.get(&wire.peer.handshake.peer_id).is_some_and(|other| Arc::ptr_eq(other, wire)) {
            wires.remove(&wire.peer.handshake.peer_id);
        }
    }
}

impl WireReporter {
    /// Sends an event. Does nothing if the torrent has left or its owner has stopped receiving.
    pub(super) async fn report(&self, event: WireEvent) {
        let sending = self.torrent.events.send((self.source, event));
        self.torrent.closed.run_until_cancelled(sending).await;
    }

    /// Sends an event if the channel has space. For progress only: a full channel shows progress already.
    pub(super) fn try_report(&self, event: WireEvent) {
        let _ = self.torrent.events.try_send((self.source, event));
    }
}
