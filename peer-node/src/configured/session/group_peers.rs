use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::configured::{ConfiguredPeerId, PeerList};
use protocol::rate_limiter::{RateBucket, RateLimit};

use super::neighbour::Neighbour;
use crate::configured::disconnect_reason::GroupDisconnectReason;
use swarm::{SourceId, SourceIds};

/// Time to stay connected after all peers have the file, because some expect another DONE.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// Time for unconnected and not yet notified peers to connect after all peers have the file.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Rate limit of the messages per peer that must be logged, in addition to a number of lines per piece.
const LOG_LIMIT: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 10_000 };

/// Log lines per piece that a peer may cause. Correct implementations cause about three, and again after a restart.
const LINES_PER_PIECE: u32 = 8;

/// The other peers, as far as they are known.
#[derive(Debug)]
pub(super) struct GroupPeers {
    ids: SourceIds,
    neighbours: BTreeMap<SourceId, Neighbour>,
    /// Peers that have the whole file.
    complete: BTreeSet<ConfiguredPeerId>,
    /// Peers that know that we have the whole file.
    notified: BTreeSet<ConfiguredPeerId>,
    log_limit: RateLimit,
    /// The lines that each peer has caused, as far as they still count.
    logged: BTreeMap<ConfiguredPeerId, RateBucket>,
}

impl GroupPeers {
    /// Starts without neighbours, for a content of this many pieces.
    pub(super) fn new(pieces: u32) -> Self {
        let burst = LOG_LIMIT.burst.saturating_add(pieces.saturating_mul(LINES_PER_PIECE));
        Self {
            ids: SourceIds::default(),
            neighbours: BTreeMap::new(),
            complete: BTreeSet::new(),
            notified: BTreeSet::new(),
            log_limit: RateLimit { burst, ..LOG_LIMIT },
            logged: BTreeMap::new(),
        }
    }

    /// Counts a message that must be logged, over all connections of the peer. Returns false if the peer has exceeded its
    /// budget.
    pub(super) fn allows_log_line(&mut self, peer: ConfiguredPeerId, now: Instant) -> bool {
        self.logged.entry(peer).or_default().try_take(self.log_limit, now).is_ok()
    }

    /// Returns the id of the next connection.
    pub(super) fn next_id(&self) -> SourceId {
        self.ids.next()
    }

    /// Adds a neighbour. It will announce its pieces again.
    pub(super) fn insert(&mut self, id: SourceId, neighbour: Neighbour) {
        self.complete.remove(&neighbour.peer);
        self.neighbours.insert(id, neighbour);
    }

    pub(super) fn remove(&mut self, id: SourceId) -> Option<Neighbour> {
        self.neighbours.remove(&id)
    }

    /// Closes a connection at once.
    pub(super) fn disconnect(&self, id: SourceId, reason: GroupDisconnectReason) {
        if let Some(neighbour) = self.get(id) {
            neighbour.link.close(reason);
        }
    }

    /// Closes all connections.
    pub(super) fn disconnect_all(&mut self) {
        self.neighbours.clear();
    }

    pub(super) fn get(&self, id: SourceId) -> Option<&Neighbour> {
        self.neighbours.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SourceId) -> Option<&mut Neighbour> {
        self.neighbours.get_mut(&id)
    }

    /// Returns the connection to a peer.
    pub(super) fn find(&self, peer: ConfiguredPeerId) -> Option<SourceId> {
        self.neighbours.iter().find(|(_, neighbour)| neighbour.peer == peer).map(|(id, _)| *id)
    }

    pub(super) fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.values()
    }

    pub(super) fn neighbours_mut(&mut self) -> impl Iterator<Item = &mut Neighbour> {
        self.neighbours.values_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.neighbours.len()
    }

    /// Returns the content bytes sent to all neighbours since the last call.
    pub(super) fn take_sent(&self) -> u64 {
        self.neighbours.values().map(|neighbour| neighbour.link.take_sent()).sum()
    }

    /// Records that a peer has the whole file.
    pub(super) fn mark_complete(&mut self, peer: ConfiguredPeerId) {
        self.complete.insert(peer);
    }

    /// Returns true if a peer is known to have the whole file.
    pub(super) fn is_complete(&self, peer: ConfiguredPeerId) -> bool {
        self.complete.contains(&peer)
    }

    /// Records that a peer knows that we have the whole file.
    pub(super) fn mark_notified(&mut self, peer: ConfiguredPeerId) {
        self.notified.insert(peer);
    }

    /// Records that all connected peers know that we have the whole file.
    pub(super) fn mark_all_notified(&mut self) {
        self.notified.extend(self.neighbours.values().map(|neighbour| neighbour.peer));
    }

    /// Returns true if all other peers have the whole file.
    pub(super) fn are_others_complete(&self, own_id: ConfiguredPeerId, list: &PeerList) -> bool {
        list.others(own_id).all(|peer| self.is_complete(peer.id))
    }

    /// Returns when [`Self::may_leave`] may change without an event, given since when all peers have had the file.
    pub(super) fn leaving_deadline(since: Instant, now: Instant) -> Option<Instant> {
        [LINGER_TIME, GRACE_PERIOD].into_iter().map(|time| since + time).find(|at| *at > now)
    }

    /// Returns true if we may leave, given the time since all peers have had the file.
    pub(super) fn may_leave(&self, own_id: ConfiguredPeerId, list: &PeerList, since: Duration) -> bool {
        let all_notified = list.others(own_id).all(|peer| self.notified.contains(&peer.id));
        (all_notified && (since >= LINGER_TIME || self.neighbours.is_empty())) || since >= GRACE_PERIOD
    }
}
