//! The swarm engine: decides which block is asked of which source, and when a source is left.
//!
//! It is a pure machine. It knows no socket, no clock and no dialect: whoever drives it tells it what happened
//! ([`Swarm::source_joined`], [`Swarm::block_arrived`], [`Swarm::piece_checked`], …) and when, and asks it what to do
//! ([`Swarm::poll`]) until it has nothing more to say. The bytes themselves stay with the driver, which assembles,
//! verifies and stores them.
//!
//! The rules: a random piece first, so that downloaders that begin together soon have something for each other; then the
//! rarest, ties at random, but the last piece before its equals (it anchors the manifest). A piece is filled by one source
//! where that can be, so that a bad one has one culprit; each source gets as many requests in flight as keep it busy
//! without a queue building up, and none while it chokes us. In the endgame, when nothing is left to begin, a block that
//! one source owes for too long is asked of another as well, and cancelled where it is not needed any more. A source that
//! turns a request down without a word on whether it has the piece rests for half a second, and is asked again. A source
//! that stalls, whose pieces fail twice, or that turns everything down for several such rests, is left; where sources are on trial (see
//! [`SwarmConfig::max_on_trial`]), one whose first piece fails is left at once. Where a driver's
//! world knows neither rarity nor endgame, its [`SwarmConfig`] says so; there a request without an answer is repeated.

mod action;
mod active_pieces;
mod choker;
mod config;
mod duplicate_requests;
mod have;
mod interval_choker;
mod lost_requests;
mod picker;
mod random;
mod rate;
mod request_choice;
mod request_turns;
mod request_window;
mod source;
mod source_trial;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::geometry::{Block, Geometry, PieceIndex};

pub use action::SwarmAction;
use active_pieces::{ActivePieces, BlockArrival};
pub use choker::{AddressKey, Choker, ChokerConfig, ChokerVerdict, PeerKey};
pub use config::{OverduePolicy, PieceOrder, SwarmConfig};
pub use have::Have;
pub use interval_choker::{ChokeSelection, IntervalChoker, IntervalChokerConfig};
use picker::Picker;
pub use random::SeededRandom;
pub use rate::RateMeter;
use request_turns::RequestTurns;
use source::SwarmSource;
pub use source::{DisconnectReason, SourceId, SourceIds};
use source_trial::Verdicts;

/// How long a source may owe us a block without sending a byte before others are asked for it too.
const SNUB_TIMEOUT: Duration = Duration::from_secs(3);

/// How long it may owe us a block without sending a byte before it is left.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the engine wants to be polled while sources owe it something or rest.
const TICK: Duration = Duration::from_millis(100);

/// One content on its way here, from any number of sources.
#[derive(Debug)]
pub struct Swarm {
    geometry: Geometry,
    config: SwarmConfig,
    picker: Picker,
    active: ActivePieces,
    sources: BTreeMap<SourceId, SwarmSource>,
    request_turns: RequestTurns,
    verdicts: Verdicts,
    actions: VecDeque<SwarmAction>,
    next_tick: Option<Instant>,
    /// When it is next looked for what is late: that means looking at all that is owed.
    next_overdue_check: Instant,
}

impl Swarm {
    /// Starts on a content of which the pieces that `is_here` names are here and verified.
    pub fn new(
        geometry: Geometry,
        config: SwarmConfig,
        now: Instant,
        is_here: impl Fn(PieceIndex) -> bool,
    ) -> Self {
        let picker = Picker::new(&geometry, SeededRandom::from_seed(config.seed), is_here);
        let (active, sources, turns) = (ActivePieces::default(), BTreeMap::new(), RequestTurns::default());
        let (verdicts, queue, next_tick, next_look) = (Verdicts::default(), VecDeque::new(), None, now);
        Self {
            geometry,
            config,
            picker,
            active,
            sources,
            request_turns: turns,
            verdicts,
            actions: queue,
            next_tick,
            next_overdue_check: next_look,
        }
    }

    /// Takes in a source, what it has, and whether it chokes us.
    pub fn source_joined(&mut self, id: SourceId, have: Have, choked: bool, now: Instant) {
        self.source_lost(id);
        let have = have.or_all();
        self.picker.source_joined(&have);
        let useful = self.picker.useful_count(&have);
        self.sources.insert(id, SwarmSource::new(have, choked, useful, self.config.block_length, now));
        self.request_turns.mark_ready(id);
        self.update_interest(id);
    }

    /// Returns true if a source takes part.
    pub fn has_source(&self, id: SourceId) -> bool {
        self.sources.contains_key(&id)
    }

    /// Notes that fewer requests may wait at a source than at others.
    pub fn source_limits_requests(&mut self, id: SourceId, most: usize) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.limit_requests(most);
        }
    }

    /// Takes in the round-trip time of the path to a source, and over how many connections it sends.
    pub fn source_measured(&mut self, id: SourceId, rtt: Duration, connections: usize) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.measured(rtt, connections);
        }
    }

    /// Has a piece that is missing begun before all others.
    pub fn prioritise(&mut self, piece: PieceIndex) {
        self.picker.prioritise(piece);
    }

    /// Notes that a source has one more piece.
    pub fn source_has(&mut self, id: SourceId, piece: PieceIndex) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        if source.have.insert(piece) {
            source.useful_pieces += usize::from(!self.picker.is_done(piece));
            self.picker.piece_gained(piece);
            self.request_turns.wake(id);
            self.update_interest(id);
        }
    }

    /// Notes that a source serves no requests for now: what it was asked for is asked of others. It answers its requests
    /// all the same.
    pub fn source_choked(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        source.choked = true;
        let owed = source.blocks_owed();
        self.release(id, owed);
    }

    /// Notes that a source serves requests again.
    pub fn source_unchoked(&mut self, id: SourceId) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.choked = false;
            if matches!(self.config.overdue, OverduePolicy::Repeat(_)) {
                source.end_silence();
            }
            self.request_turns.mark_ready(id);
        }
    }

    /// Forgets a source; what it owed is asked of others.
    pub fn source_lost(&mut self, id: SourceId) {
        if let Some(source) = self.sources.remove(&id) {
            self.picker.source_left(&source.have);
            self.request_turns.remove(id);
            self.release(id, source.blocks_owed());
        }
    }

    /// Notes that some bytes of a block that is under way have come from a source.
    pub fn bytes_arrived(&mut self, id: SourceId, bytes: u64, now: Instant) {
        self.restore_pieces(id);
        if let Some(source) = self.sources.get_mut(&id) {
            source.bytes_arrived(bytes, now);
        }
    }

    /// Takes in a whole block, whose bytes were reported with [`Swarm::bytes_arrived`]; says whether it is wanted. If not,
    /// its bytes are to be dropped.
    pub fn block_arrived(&mut self, id: SourceId, block: Block, now: Instant) -> bool {
        let Some(source) = self.sources.get_mut(&id) else { return false };
        source.answered(block, true, now);
        if matches!(self.config.overdue, OverduePolicy::Repeat(_)) {
            source.end_silence();
        }
        self.request_turns.mark_ready(id);
        let mut arrival = self.active.arrived(id, block);
        if arrival == BlockArrival::Unwanted && self.accept_late(id, block) {
            arrival = self.active.arrived(id, block);
        }
        let BlockArrival::Wanted { also_owed_by } = arrival else { return false };
        if let Some(other) = also_owed_by {
            self.actions.push_back(SwarmAction::Cancel { source: other, block });
        }
        if self.active.is_complete(block.piece) {
            self.actions.push_back(SwarmAction::Verify { piece: block.piece });
        }
        true
    }

    /// Notes that a source will not send a block that it was asked for.
    pub fn block_rejected(&mut self, id: SourceId, block: Block, now: Instant) {
        if !self.answered_without_data(id, block, now) {
            return;
        }
        let Some(source) = self.sources.get_mut(&id) else { return };
        let was_all = source.have.is_all();
        if source.have.remove(block.piece, &self.geometry) {
            source.useful_pieces -= usize::from(!self.picker.is_done(block.piece));
            self.picker.piece_withdrawn(block.piece, &source.have, was_all);
        }
        let is_on_trial = self.config.max_on_trial.is_some() && source.is_untested();
        let may_stay = source.rejected(is_on_trial, now);
        self.release(id, vec![block]);
        self.update_interest(id);
        if !may_stay {
            self.disconnect(id, DisconnectReason::Refusing);
        }
    }

    /// Notes that a source turns a request down, though it may have the piece: after a rest it is asked again, unless it has
    /// given nothing after several of them.
    pub fn block_turned_down(&mut self, id: SourceId, block: Block, now: Instant) {
        if !self.answered_without_data(id, block, now) {
            return;
        }
        let may_stay = self.sources.get_mut(&id).is_some_and(|source| source.turned_down(now));
        self.release(id, vec![block]);
        if !may_stay {
            self.disconnect(id, DisconnectReason::Refusing);
        }
    }

    /// Takes in an answer without a block; says whether the block is still wanted of that source.
    fn answered_without_data(&mut self, id: SourceId, block: Block, now: Instant) -> bool {
        let Some(source) = self.sources.get_mut(&id) else { return false };
        source.answered(block, false, now);
        self.request_turns.mark_ready(id);
        self.active.is_requested(id, block)
    }

    /// Takes in the verdict on a piece. Says whose bytes were bad, if that is certain.
    pub fn piece_checked(&mut self, piece: PieceIndex, good: bool) -> Option<SourceId> {
        let givers = self.close_piece(piece, Some(good));
        self.verdicts.add(piece, good);
        if good {
            self.piece_done(piece);
            return None;
        }
        self.picker.put_back(piece);
        let [culprit] = *givers.as_slice() else { return None };
        let is_poisoned = self.is_poisoned() && self.is_any_proven();
        let source = self.sources.get_mut(&culprit)?;
        // Where sources are on trial, one that has never given anything right has no second chance, and nobody has where others are
        // right and much is wrong.
        let is_last_chance = self.config.max_on_trial.is_some() && (source.is_untested() || is_poisoned);
        if source.record_failure(piece) || is_last_chance {
            self.disconnect(culprit, DisconnectReason::BadData);
        }
        Some(culprit)
    }

    /// Notes that a piece that was to be checked could not be stored; it will be fetched again.
    pub fn piece_not_stored(&mut self, piece: PieceIndex) {
        self.close_piece(piece, None);
        self.picker.put_back(piece);
    }

    /// Closes a piece with the verdict on it, if there is one; returns who gave it.
    fn close_piece(&mut self, piece: PieceIndex, good: Option<bool>) -> Vec<SourceId> {
        let givers = self.active.finished(piece, good.unwrap_or(true));
        for giver in &givers {
            if let Some(source) = self.sources.get_mut(giver) {
                if let Some(good) = good {
                    source.verdict_received(good);
                }
                self.request_turns.mark_ready(*giver);
            }
        }
        self.request_turns.wake_all();
        givers
    }

    /// Returns the next thing to do, or nothing until something happens or [`Swarm::deadline`] passes.
    pub fn poll(&mut self, now: Instant) -> Option<SwarmAction> {
        if self.actions.is_empty() {
            self.decide(now);
        }
        let action = self.actions.pop_front();
        if action.is_none() {
            let is_waiting = self.sources.values().any(|source| source.owes() || source.is_paused());
            self.next_tick = is_waiting.then_some(now + TICK);
        }
        action
    }

    /// Returns when to poll again if nothing happens before.
    pub const fn deadline(&self) -> Option<Instant> {
        self.next_tick
    }

    /// Says whether every piece is here.
    pub fn is_complete(&self) -> bool {
        self.picker.done_count() == self.geometry.piece_count()
    }

    /// Counts the pieces that are here and verified.
    pub fn pieces_done(&self) -> u32 {
        self.picker.done_count()
    }

    /// Counts the sources that are sending, or were asked to.
    pub fn active_sources(&self) -> usize {
        self.sources.values().filter(|source| source.owes()).count()
    }

    /// Counts the pieces that are missing and that no source has.
    pub fn unavailable_pieces(&self) -> usize {
        if self.sources.values().any(|source| source.have.is_all()) {
            return 0;
        }
        self.picker
            .missing()
            .filter(|piece| !self.sources.values().any(|source| source.have.has(*piece)))
            .count()
    }

    /// Returns what a source has given since it joined, in bytes, and its rate in bytes per second.
    pub fn source_traffic(&self, id: SourceId, now: Instant) -> Option<(u64, f64)> {
        self.sources.get(&id).map(|source| (source.received, source.rate.rate(now)))
    }

    fn decide(&mut self, now: Instant) {
        let is_time_to_look = now >= self.next_overdue_check;
        if is_time_to_look {
            self.next_overdue_check = now + TICK;
            match self.config.overdue {
                OverduePolicy::Duplicate => self.disconnect_stalled(now),
                OverduePolicy::Repeat(after) => self.repeat_unanswered(after, now),
            }
            let rested =
                self.sources.iter_mut().filter_map(|(id, source)| source.try_end_pause(now).then_some(*id));
            rested.for_each(|id| self.request_turns.mark_ready(id));
            self.release_late_pieces(now);
        }
        self.fill_pipelines(now);
        if is_time_to_look && self.config.overdue == OverduePolicy::Duplicate {
            self.duplicate_overdue(now);
        }
    }

    fn piece_done(&mut self, piece: PieceIndex) {
        if self.picker.is_done(piece) {
            return;
        }
        self.picker.piece_done(piece);
        for (id, source) in self.sources.iter_mut().filter(|(_, source)| source.have.has(piece)) {
            source.useful_pieces -= 1;
            let change = source.interest_changed();
            self.actions.extend(change.map(|on| SwarmAction::Interest { source: *id, on }));
        }
    }

    #[cfg(test)]
    fn is_useless(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_none_or(|source| source.useful_pieces == 0)
    }

    /// Has a source told when it has begun or ceased to have something that is missing.
    fn update_interest(&mut self, id: SourceId) {
        let change = self.sources.get_mut(&id).and_then(SwarmSource::interest_changed);
        self.actions.extend(change.map(|on| SwarmAction::Interest { source: id, on }));
    }

    /// Lets blocks that a source owes be asked of others, and gives pieces of which nothing is here back to the picker.
    ///
    /// Pieces that wait for a source are given up when there are too many: sources that refuse a block of each would
    /// otherwise have everything else held for ever.
    fn release(&mut self, id: SourceId, owed: Vec<Block>) {
        for block in owed {
            if let Some(piece) = self.active.released(id, block) {
                self.picker.put_back(piece);
            }
        }
        while let Some(piece) = self.active.drop_stranded(self.config.budget) {
            self.picker.put_back(piece);
            self.actions.push_back(SwarmAction::Drop { piece });
        }
        self.request_turns.wake_all();
    }

    fn disconnect(&mut self, id: SourceId, reason: DisconnectReason) {
        self.source_lost(id);
        self.actions.push_back(SwarmAction::Disconnect { source: id, reason });
    }
}
