use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::configured::{PeerId, PeerList};

use super::neighbour::Neighbour;
use crate::configured::ending::Ending;
use crate::gate::Pace;
use crate::swarm::{SourceId, SourceIds};

/// How long it is listened when everybody has the file: some want to be told so once more.
const LINGER: Duration = Duration::from_secs(1);

/// How long those who are not connected then, and have not heard of it, may take to connect.
const GRACE: Duration = Duration::from_secs(5);

/// What a peer may say of what has to be written down, besides so much for every piece: so many lines at once, and then one more
/// each time.
const LINES: Pace = Pace { each: Duration::from_millis(100), burst: 10_000 };

/// So many lines there may be for every piece: honest programs have cause for about three, and again when they are started anew.
const LINES_A_PIECE: u32 = 8;

/// The other peers, as far as they are known.
#[derive(Debug)]
pub(super) struct Group {
    ids: SourceIds,
    neighbours: BTreeMap<SourceId, Neighbour>,
    /// Who has the whole file.
    whole: BTreeSet<PeerId>,
    /// Who was told that we have it.
    told: BTreeSet<PeerId>,
    lines: Pace,
    /// When what each may say will be whole again.
    said: BTreeMap<PeerId, Instant>,
}

impl Group {
    /// Begins without anybody, for a content of so many pieces.
    pub(super) fn new(pieces: u32) -> Self {
        let burst = LINES.burst.saturating_add(pieces.saturating_mul(LINES_A_PIECE));
        Self {
            ids: SourceIds::default(),
            neighbours: BTreeMap::new(),
            whole: BTreeSet::new(),
            told: BTreeSet::new(),
            lines: Pace { burst, ..LINES },
            said: BTreeMap::new(),
        }
    }

    /// Counts something that a peer says and that has to be written down, over all its connections; says whether it is still as
    /// much as anybody honest says.
    pub(super) fn may_say(&mut self, peer: PeerId, now: Instant) -> bool {
        let whole = self.lines.spend(self.said.get(&peer).copied(), now);
        whole.map(|whole| self.said.insert(peer, whole)).is_some()
    }

    /// Numbers a connection that is to come.
    pub(super) fn next_id(&self) -> SourceId {
        self.ids.next()
    }

    /// Takes a neighbour in. What it has it will say.
    pub(super) fn insert(&mut self, id: SourceId, neighbour: Neighbour) {
        self.whole.remove(&neighbour.peer);
        self.neighbours.insert(id, neighbour);
    }

    pub(super) fn remove(&mut self, id: SourceId) -> Option<Neighbour> {
        self.neighbours.remove(&id)
    }

    /// Ends a connection at once.
    pub(super) fn end(&self, id: SourceId, ending: Ending) {
        if let Some(neighbour) = self.get(id) {
            neighbour.link.end(ending);
        }
    }

    /// Closes all connections.
    pub(super) fn clear(&mut self) {
        self.neighbours.clear();
    }

    pub(super) fn get(&self, id: SourceId) -> Option<&Neighbour> {
        self.neighbours.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SourceId) -> Option<&mut Neighbour> {
        self.neighbours.get_mut(&id)
    }

    /// Finds the connection to a peer.
    pub(super) fn find(&self, peer: PeerId) -> Option<SourceId> {
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
    pub(super) fn sent(&self) -> u64 {
        self.neighbours.values().map(|neighbour| neighbour.link.sent()).sum()
    }

    /// Notes that a peer has the whole file.
    pub(super) fn is_whole(&mut self, peer: PeerId) {
        self.whole.insert(peer);
    }

    /// Says whether a peer is known to have the whole file.
    pub(super) fn has_whole(&self, peer: PeerId) -> bool {
        self.whole.contains(&peer)
    }

    /// Notes that a peer was told that we have the whole file.
    pub(super) fn told(&mut self, peer: PeerId) {
        self.told.insert(peer);
    }

    /// Notes that all who are connected were told that we have the whole file.
    pub(super) fn told_everybody(&mut self) {
        self.told.extend(self.neighbours.values().map(|neighbour| neighbour.peer));
    }

    /// Says whether everybody but us has the whole file.
    pub(super) fn is_whole_but(&self, us: PeerId, list: &PeerList) -> bool {
        list.others(us).all(|peer| self.has_whole(peer.id))
    }

    /// Says whether, so long after everybody had the file, nobody needs us any more.
    pub(super) fn is_over(&self, us: PeerId, list: &PeerList, since: Duration) -> bool {
        let has_told_all = list.others(us).all(|peer| self.told.contains(&peer.id));
        (has_told_all && (since >= LINGER || self.neighbours.is_empty())) || since >= GRACE
    }
}
