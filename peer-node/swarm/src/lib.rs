//! The swarm engine: decides which block to request from which source, and when to disconnect a source.
//!
//! A pure state machine. The driver passes in events with their time ([`Swarm::block_arrived`], …), polls actions
//! ([`Swarm::poll`]) until there are none, and assembles, verifies and stores the bytes.
//!
//! Piece order: a random piece first, so that leechers that start together soon have something to exchange; then rarest first,
//! ties at random except that the last piece wins them (it anchors the manifest). One source fills a piece where possible, so
//! that a bad piece has one culprit. In the endgame, a block that one source owes for too long is requested from a second one.
//! A source that rejects requests pauses; one that stalls, sends bad pieces or keeps rejecting is disconnected.
//! [`SwarmConfig`] adapts the engine to dialects without rarity or endgame, in which unanswered requests are repeated.

mod action;
mod active_pieces;
mod choker;
mod config;
mod duplicate_requests;
mod have;
mod interval_choker;
mod lost_requests;
mod picker;
mod rate;
mod request_choice;
mod request_turns;
mod request_window;
mod schedule;
mod source;
mod source_record;
mod source_trial;
mod verification;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::geometry::{Block, Geometry, PieceIndex};
use protocol::seeded_random::SeededRandom;

pub use action::SwarmAction;
use active_pieces::{ActivePieces, BlockArrival};
pub use choker::{AddressKey, Choker, ChokerConfig, ChokerVerdict, PeerKey};
pub use config::{OverduePolicy, PieceOrder, SwarmConfig};
pub use have::Have;
pub use interval_choker::{ChokeSelection, IntervalChoker, IntervalChokerConfig};
use picker::Picker;
pub use rate::RateMeter;
use request_turns::RequestTurns;
use source::SwarmSource;
pub use source::{DisconnectReason, SourceId, SourceIds};
use source_trial::Verdicts;

/// How long a source may owe a block without sending a byte before other sources are asked for it as well.
const SNUB_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a source may owe a block without sending a byte before it is disconnected.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The download of one content from any number of sources.
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
    /// When to poll again without an event.
    deadline: Option<Instant>,
    /// When to check for overdue requests next. The check scans all owed blocks, so it is rate-limited.
    next_overdue_check: Instant,
}

impl Swarm {
    /// Creates a swarm. `have` returns true for the pieces that are already on disk and verified.
    pub fn new(
        geometry: Geometry,
        config: SwarmConfig,
        now: Instant,
        have: impl Fn(PieceIndex) -> bool,
    ) -> Self {
        let picker = Picker::new(&geometry, SeededRandom::from_seed(config.seed), have);
        let (active, sources, request_turns) =
            (ActivePieces::default(), BTreeMap::new(), RequestTurns::default());
        let (verdicts, actions, deadline, next_overdue_check) =
            (Verdicts::default(), VecDeque::new(), None, now);
        Self {
            geometry,
            config,
            picker,
            active,
            sources,
            request_turns,
            verdicts,
            actions,
            deadline,
            next_overdue_check,
        }
    }

    /// Returns the division of the content into pieces.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Adds a source with its pieces and whether it chokes us.
    pub fn source_joined(&mut self, id: SourceId, have: Have, choked: bool, now: Instant) {
        self.source_lost(id);
        // A full bitfield counts as "all", so that a swarm of seeds costs nothing per piece.
        let have = have.or_all();
        self.picker.source_joined(&have);
        let useful = self.picker.useful_count(&have);
        debug_assert!(useful <= self.geometry.piece_count() as usize, "a source has no more than all pieces");
        self.sources.insert(id, SwarmSource::new(have, choked, useful, self.config.block_length, now));
        self.request_turns.mark_ready(id);
        self.update_interest(id);
    }

    /// Returns true if the source takes part.
    pub fn has_source(&self, id: SourceId) -> bool {
        self.sources.contains_key(&id)
    }

    /// Limits the number of outstanding requests at a source.
    pub fn source_limits_requests(&mut self, id: SourceId, most: usize) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.limit_requests(most);
            // It may have been full.
            self.request_turns.mark_ready(id);
        }
    }

    /// Sets the measured round-trip time to a source and the number of its connections.
    pub fn source_measured(&mut self, id: SourceId, rtt: Duration, connections: usize) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.measured(rtt, connections);
        }
    }

    /// Has a missing piece started before all others.
    pub fn prioritise(&mut self, piece: PieceIndex) {
        self.picker.prioritise(piece);
    }

    /// Records that a source has gained a piece.
    pub fn source_has(&mut self, id: SourceId, piece: PieceIndex) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        if source.have.insert(piece) {
            source.useful_pieces += usize::from(!self.picker.is_done(piece));
            self.picker.piece_gained(piece);
            // A source that had nothing for us may be asked again.
            self.request_turns.wake(id);
            self.update_interest(id);
        }
    }

    /// Records that a source chokes us. Its blocks are requested from others, though it still answers its requests.
    pub fn source_choked(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        // What it still sends is welcome, but nobody knows whether it will, so its blocks are free for others.
        source.choked = true;
        let owed = source.blocks_owed();
        self.release(id, owed);
    }

    /// Records that a source serves requests again.
    pub fn source_unchoked(&mut self, id: SourceId) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.choked = false;
            if matches!(self.config.overdue, OverduePolicy::Repeat(_)) {
                source.end_silence();
            }
            self.request_turns.mark_ready(id);
        }
    }

    /// Removes a source. The blocks it owes are requested from other sources.
    pub fn source_lost(&mut self, id: SourceId) {
        if let Some(source) = self.sources.remove(&id) {
            // Its pieces become rarer, which may change what the others are asked for.
            self.picker.source_left(&source.have);
            self.request_turns.remove(id);
            self.release(id, source.blocks_owed());
        }
    }

    /// Records that a source has sent some bytes of a requested block.
    pub fn bytes_arrived(&mut self, id: SourceId, bytes: u64, now: Instant) {
        // A benched source that sends after all gets its pieces back before the block is judged.
        self.restore_pieces(id);
        if let Some(source) = self.sources.get_mut(&id) {
            source.bytes_arrived(bytes, now);
        }
    }

    /// Records a complete block, reported with [`Swarm::bytes_arrived`] before. Returns false if its bytes are unwanted.
    pub fn block_arrived(&mut self, id: SourceId, block: Block, now: Instant) -> bool {
        let Some(source) = self.sources.get_mut(&id) else { return false };
        source.answered(block, true, now);
        if matches!(self.config.overdue, OverduePolicy::Repeat(_)) {
            source.end_silence();
        }
        self.request_turns.mark_ready(id);
        // The request may have been given up in the meantime; a whole piece is accepted nevertheless.
        let mut arrival = self.active.arrived(id, block);
        if arrival == BlockArrival::Unwanted && self.accept_late(id, block) {
            arrival = self.active.arrived(id, block);
        }
        // In the endgame two sources may owe the block, and the slower one need not send it any more.
        let BlockArrival::Wanted { also_owed_by } = arrival else { return false };
        if let Some(other) = also_owed_by {
            self.actions.push_back(SwarmAction::Cancel { source: other, block });
        }
        // The driver hashes the piece outside of the engine and reports the result.
        if self.active.is_complete(block.piece) {
            self.actions.push_back(SwarmAction::Verify { piece: block.piece });
        }
        true
    }

    /// Records that a source will not send a requested block because it lacks the piece.
    pub fn block_rejected(&mut self, id: SourceId, block: Block, now: Instant) {
        if !self.answered_without_data(id, block, now) {
            return;
        }
        let Some(source) = self.sources.get_mut(&id) else { return };
        // A source that claimed everything was not counted piece by piece, so its other pieces are counted now.
        let was_all = source.have.is_all();
        if source.have.remove(block.piece, &self.geometry) {
            source.useful_pieces -= usize::from(!self.picker.is_done(block.piece));
            self.picker.piece_withdrawn(block.piece, &source.have, was_all);
        }
        // An untested source that rejects much may have joined only to delay us.
        let is_on_trial = self.config.max_on_trial.is_some() && source.is_untested();
        let may_stay = source.rejected(is_on_trial, now);
        self.release(id, vec![block]);
        self.update_interest(id);
        if !may_stay {
            self.disconnect(id, DisconnectReason::Refusing);
        }
    }

    /// Records a rejection by a source that may have the piece. It pauses; after too many pauses it is disconnected.
    pub fn block_refused(&mut self, id: SourceId, block: Block, now: Instant) {
        if !self.answered_without_data(id, block, now) {
            return;
        }
        let may_stay = self.sources.get_mut(&id).is_some_and(|source| source.refused_for_now(now));
        self.release(id, vec![block]);
        if !may_stay {
            self.disconnect(id, DisconnectReason::Refusing);
        }
    }

    /// Handles an answer without data. Returns true if the block is still expected from that source.
    fn answered_without_data(&mut self, id: SourceId, block: Block, now: Instant) -> bool {
        let Some(source) = self.sources.get_mut(&id) else { return false };
        source.answered(block, false, now);
        self.request_turns.mark_ready(id);
        self.active.is_requested(id, block)
    }

    /// Returns true if all pieces are complete.
    pub fn is_complete(&self) -> bool {
        self.picker.done_count() == self.geometry.piece_count()
    }

    /// Returns the number of verified pieces.
    pub fn pieces_done(&self) -> u32 {
        self.picker.done_count()
    }

    /// Returns the number of sources that owe blocks.
    pub fn active_sources(&self) -> usize {
        self.sources.values().filter(|source| source.owes()).count()
    }

    /// Returns the number of missing pieces that no source has.
    pub fn unavailable_pieces(&self) -> usize {
        if self.sources.values().any(|source| source.have.is_all()) {
            return 0;
        }
        self.picker
            .missing()
            .filter(|piece| !self.sources.values().any(|source| source.have.has(*piece)))
            .count()
    }

    /// Returns the bytes received from a source since it joined, and its rate in bytes per second.
    pub fn source_traffic(&self, id: SourceId, now: Instant) -> Option<(u64, f64)> {
        self.sources.get(&id).map(|source| (source.received, source.rate.rate(now)))
    }

    #[cfg(test)]
    fn is_useless(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_none_or(|source| source.useful_pieces == 0)
    }

    /// Sends a source our interest, if that has changed.
    fn update_interest(&mut self, id: SourceId) {
        let change = self.sources.get_mut(&id).and_then(SwarmSource::interest_changed);
        self.actions.extend(change.map(|on| SwarmAction::Interest { source: id, on }));
    }

    /// Releases blocks that a source owes so that others can be asked for them, and returns untouched pieces to the picker.
    /// Stranded pieces beyond the budget are dropped, or sources that refuse one block of each piece could stop all progress.
    fn release(&mut self, id: SourceId, owed: Vec<Block>) {
        for block in owed {
            // A piece of which nothing has arrived may be started by any source, with other block boundaries.
            if let Some(piece) = self.active.released(id, block) {
                self.picker.put_back(piece);
            }
        }
        // The bytes received of such a piece are lost, which is cheaper than a budget that nobody can use.
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
