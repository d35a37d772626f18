//! One node: its engine while it downloads, its choker, uplink and downlink.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::limits::{MAX_BLOCK, MAX_REQUESTS};
use swarm::{Choker, ChokerConfig, Have, OverduePolicy, PeerKey, PieceOrder, SourceId, Swarm, SwarmConfig};

use super::event_queue::{SimLinkId, SimMessage, SimNodeId};
use super::plan::{SimulationPlan, transfer_time};
use super::uplink::Uplink;

/// The engine configuration of native downloads.
const CONFIG: SwarmConfig = SwarmConfig {
    block_length: MAX_BLOCK,
    min_block: 64 << 10,
    max_requests: MAX_REQUESTS,
    budget: 24 << 20,
    max_on_trial: None,
    order: PieceOrder::Rarest,
    overdue: OverduePolicy::Duplicate,
    seed: 0,
};

/// A connection as one of its ends sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SimLink {
    pub(super) id: SimLinkId,
    /// True if this node has unchoked the other end.
    pub(super) is_unchoked: bool,
}

/// A node of the network.
#[derive(Debug)]
pub(super) struct SimNode {
    pub(super) is_online: bool,
    pub(super) pieces: Bitfield,
    /// The engine, until the content is complete.
    pub(super) swarm: Option<Swarm>,
    pub(super) choker: Choker,
    pub(super) links: BTreeMap<SimNodeId, SimLink>,
    pub(super) uplink: Uplink,
    /// The time until which the downlink is busy.
    downlink_busy_until: Duration,
    /// The time of the scheduled poll.
    pub(super) wake_at: Option<Duration>,
}

impl SimNode {
    pub(super) fn new(plan: &SimulationPlan, has_all: bool, now: Instant) -> Self {
        let geometry = &plan.geometry;
        Self {
            is_online: true,
            pieces: if has_all { Bitfield::full(geometry) } else { Bitfield::empty(geometry) },
            swarm: None,
            choker: Choker::new(ChokerConfig::for_node(plan.slots), now),
            links: BTreeMap::new(),
            uplink: Uplink::default(),
            downlink_busy_until: Duration::ZERO,
            wake_at: None,
        }
    }

    /// Starts the download of missing pieces, if any.
    pub(super) fn start_download(&mut self, plan: &SimulationPlan, seed: u64, now: Instant) {
        let pieces = &self.pieces;
        let swarm = Swarm::new(plan.geometry, SwarmConfig { seed, ..CONFIG }, now, |piece| pieces.has(piece));
        self.swarm = (!swarm.is_complete()).then_some(swarm);
    }

    /// Adds a connection to a node that has the given pieces and may be interested in ours.
    pub(super) fn connect(&mut self, to: SimNodeId, id: SimLinkId, have: Have, wants: bool, now: Instant) {
        self.links.insert(to, SimLink { id, is_unchoked: false });
        if let Some(swarm) = &mut self.swarm {
            swarm.source_joined(SourceId(to), have, true, now);
        }
        if wants {
            self.choker.interested(PeerKey(to.into()), now);
        }
    }

    pub(super) fn disconnect(&mut self, from: SimNodeId, now: Instant) {
        self.links.remove(&from);
        self.uplink.remove_peer(from);
        self.choker.remove(PeerKey(from.into()), now);
        if let Some(swarm) = &mut self.swarm {
            swarm.source_lost(SourceId(from));
        }
    }

    /// Returns the pieces that this node announces when it connects.
    pub(super) fn have(&self) -> Have {
        if self.swarm.is_some() { Have::Some(self.pieces.clone()) } else { Have::All }
    }

    /// Returns the time at which bytes that reach the downlink now have been received.
    pub(super) fn receive(&mut self, bytes: u32, rate: u64, now: Duration) -> Duration {
        let took = transfer_time(bytes.into(), rate);
        // They were being received while they were sent, unless the downlink was busy.
        self.downlink_busy_until = (self.downlink_busy_until + took).max(now);
        self.downlink_busy_until
    }

    /// Chokes a peer and returns the messages for it.
    pub(super) fn choke(&mut self, peer: SimNodeId) -> Vec<SimMessage> {
        let Some(link) = self.links.get_mut(&peer) else { return Vec::new() };
        if !std::mem::replace(&mut link.is_unchoked, false) {
            return vec![SimMessage::Choke];
        }
        let rejected = self.uplink.choke(peer).into_iter().map(SimMessage::Reject);
        std::iter::once(SimMessage::Choke).chain(rejected).collect()
    }

    /// Returns the time at which the engine or the choker must be polled.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let swarm = self.swarm.as_ref().and_then(Swarm::deadline);
        [swarm, self.choker.deadline()].into_iter().flatten().min()
    }
}
