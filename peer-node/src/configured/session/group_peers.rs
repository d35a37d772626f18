use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::configured::{ConfiguredPeerId, PeerList};

use super::neighbour::Neighbour;
use crate::configured::disconnect_reason::GroupDisconnectReason;
use crate::rate_limiter::RateLimit;
use swarm::{SourceId, SourceIds};

/// How long it is listened when everybody has the file: some want to be told so once more.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How long those who are not connected then, and have not heard of it, may take to connect.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// What a peer may say of what has to be written down, besides so much for every piece: so many lines at once, and then one more
/// each time.
const LOG_LIMIT: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 10_000 };

/// So many lines there may be for every piece: honest programs have cause for about three, and again when they are started anew.
const LINES_PER_PIECE: u32 = 8;

/// The other peers, as far as they are known.
#[derive(Debug)]
pub(super) struct GroupPeers {
    ids: SourceIds,
    neighbours: BTreeMap<SourceId, Neighbour>,
    /// Who has the whole file.
    complete: BTreeSet<ConfiguredPeerId>,
    /// Who was told that we have it.
    notified: BTreeSet<ConfiguredPeerId>,
    log_limit: RateLimit,
    /// When what each may say will be whole again.
    log_budgets: BTreeMap<ConfiguredPeerId, Instant>,
}

impl GroupPeers {
    /// Begins without anybody, for a content of so many pieces.
    pub(super) fn new(pieces: u32) -> Self {
        let burst = LOG_LIMIT.burst.saturating_add(pieces.saturating_mul(LINES_PER_PIECE));
        Self {
            ids: SourceIds::default(),
            neighbours: BTreeMap::new(),
            complete: BTreeSet::new(),
            notified: BTreeSet::new(),
            log_limit: RateLimit { burst, ..LOG_LIMIT },
            log_budgets: BTreeMap::new(),
        }
    }

    /// Counts something that a peer says and that has to be written down, over all its connections; says whether it is still as
    /// much as anybody honest says.
    pub(super) fn allows_log_line(&mut self, peer: ConfiguredPeerId, now: Instant) -> bool {
        let whole = self.log_limit.spend(self.log_budgets.get(&peer).copied(), now);
        whole.map(|whole| self.log_budgets.insert(peer, whole)).is_some()
    }

    /// Numbers a connection that is to come.
    pub(super) fn next_id(&self) -> SourceId {
        self.ids.next()
    }

    /// Takes a neighbour in. What it has it will say.
    pub(super) fn insert(&mut self, id: SourceId, neighbour: Neighbour) {
        self.complete.remove(&neighbour.peer);
        self.neighbours.insert(id, neighbour);
    }

    pub(super) fn remove(&mut self, id: SourceId) -> Option<Neighbour> {
        self.neighbours.remove(&id)
    }

    /// Ends a connection at once.
    pub(super) fn disconnect(&self, id: SourceId, ending: GroupDisconnectReason) {
        if let Some(neighbour) = self.get(id) {
            neighbour.link.close(ending);
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

    /// Finds the connection to a peer.
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

    /// Returns how many bytes of content were sent to all since this was last asked.
    pub(super) fn take_sent(&self) -> u64 {
        self.neighbours.values().map(|neighbour| neighbour.link.take_sent()).sum()
    }

    /// Notes that a peer has the whole file.
    pub(super) fn mark_complete(&mut self, peer: ConfiguredPeerId) {
        self.complete.insert(peer);
    }

    /// Says whether a peer is known to have the whole file.
    pub(super) fn is_complete(&self, peer: ConfiguredPeerId) -> bool {
        self.complete.contains(&peer)
    }

    /// Notes that a peer was told that we have the whole file.
    pub(super) fn mark_notified(&mut self, peer: ConfiguredPeerId) {
        self.notified.insert(peer);
    }

    /// Notes that all who are connected were told that we have the whole file.
    pub(super) fn mark_all_notified(&mut self) {
        self.notified.extend(self.neighbours.values().map(|neighbour| neighbour.peer));
    }

    /// Says whether everybody but us has the whole file.
    pub(super) fn are_others_complete(&self, us: ConfiguredPeerId, list: &PeerList) -> bool {
        list.others(us).all(|peer| self.is_complete(peer.id))
    }

    /// Says whether, so long after everybody had the file, nobody needs us any more.
    pub(super) fn may_leave(&self, us: ConfiguredPeerId, list: &PeerList, since: Duration) -> bool {
        let all_notified = list.others(us).all(|peer| self.notified.contains(&peer.id));
        (all_notified && (since >= LINGER_TIME || self.neighbours.is_empty())) || since >= GRACE_PERIOD
    }
}
