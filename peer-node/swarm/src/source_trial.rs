//! Limits how much is requested from untested sources.
//!
//! Any of them may be a liar, and new identities cost nothing. So untested sources share a small number of trial slots, and
//! many liars slow a download only a little. Every valid piece earns a source pieces of its own, so an honest source soon
//! gets all that its path can carry, while a source that lies occasionally never holds much. A source on trial that holds a
//! piece for too long loses its trial slot, though not the piece, so that silent or trickling sources do not delay others.
//! Where much data was bad, a source is trusted only after a run of more than twice as many valid pieces as all sources together
//! delivered per bad one; while some source is trusted, all others together are tried one piece at a time. A piece that failed goes to the source with
//! the best record, since many may lie about the same piece.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::geometry::PieceIndex;

use super::Swarm;
use super::have::Have;
use super::source::{SourceId, SwarmSource};

/// Share of the content that may be in progress on trial: one piece in this many.
const TRIAL_SHARE: u32 = 10;

/// One invalid piece per this many valid ones counts as poisoned, once there are more invalid ones than trial slots.
const POISONED_RATIO: u32 = 8;

/// Pieces that a source may have in progress per valid piece since its last invalid one, independent of trial slots.
const EARNED_PER_PIECE: usize = 1;

/// How long a source keeps a trial slot: a number of round trips, and at least a time.
const TRIAL_TIMEOUT: (u32, Duration) = (4, Duration::from_millis(200));

const _: () = assert!(TRIAL_SHARE > 0 && POISONED_RATIO > 0, "shares of nothing are not defined");
const _: () = assert!(EARNED_PER_PIECE > 0, "a valid piece earns something");

/// Verification results of all pieces.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    valid: u32,
    invalid: u32,
    /// Pieces that failed and have not been valid since.
    failed: BTreeSet<PieceIndex>,
}

impl Verdicts {
    pub(super) fn add(&mut self, piece: PieceIndex, good: bool) {
        if good {
            self.valid = self.valid.saturating_add(1);
            self.failed.remove(&piece);
        } else {
            self.invalid = self.invalid.saturating_add(1);
            self.failed.insert(piece);
        }
    }

    /// Returns false if the piece failed before and another source that may supply it has a better record.
    pub(super) fn is_best_for(
        &self,
        piece: PieceIndex,
        source: &SwarmSource,
        sources: &BTreeMap<SourceId, SwarmSource>,
        now: Instant,
    ) -> bool {
        // Better means able to send it now: a proven source that is silent must not block the piece.
        let is_better = |other: &SwarmSource| {
            other.valid_in_a_row() > source.valid_in_a_row()
                && other.may_supply(piece)
                && !other.choked
                && !other.is_snubbing(now)
        };
        !self.failed.contains(&piece) || !sources.values().any(is_better)
    }

    /// Returns how many valid pieces in a row make a source trusted if much data was bad: more than twice as many as all sources
    /// together delivered per invalid one.
    fn distinctive_run(&self) -> u32 {
        debug_assert!(self.invalid > 0, "much data was bad");
        2 * (self.valid / self.invalid.max(1)) + 1
    }

    /// Returns true if more pieces were invalid than `few` and than a small share of the valid ones.
    const fn has_many_errors(&self, few: u32) -> bool {
        self.invalid > few && self.invalid > self.valid / POISONED_RATIO
    }
}

impl Swarm {
    /// Returns the number of trial slots, if trials are enabled.
    fn trial_slots(&self) -> Option<usize> {
        self.config.max_on_trial?;
        let is_any_trusted = || self.sources.values().any(|source| self.is_trusted(source));
        Some(if self.is_poisoned() && is_any_trusted() { 1 } else { self.max_trial_slots() as usize })
    }

    /// Returns true if a source is proven, and where much data was bad, by a run of valid pieces that sets it apart.
    pub(super) fn is_trusted(&self, source: &SwarmSource) -> bool {
        source.is_proven()
            && (!self.is_poisoned() || source.valid_in_a_row() >= self.verdicts.distinctive_run())
    }

    /// Returns how many pieces a source has earned to have in progress.
    fn earned_by(&self, source: &SwarmSource) -> usize {
        if self.is_trusted(source) { source.valid_in_a_row() as usize * EARNED_PER_PIECE } else { 0 }
    }

    fn max_trial_slots(&self) -> u32 {
        // Small contents get at least one slot, or they could not begin.
        let share = (self.geometry.piece_count() / TRIAL_SHARE).max(1);
        self.config.max_on_trial.unwrap_or(u32::MAX).min(share)
    }

    /// Returns true if trials are enabled and much of the received data was bad.
    pub(super) fn is_poisoned(&self) -> bool {
        self.config.max_on_trial.is_some() && self.verdicts.has_many_errors(self.max_trial_slots())
    }

    /// Returns true if a source may start another piece: one that it has earned, or one in a free trial slot. Late sources
    /// hold no trial slots. On trial they must first finish what they have; trusted ones may use as many slots as all others.
    pub(super) fn may_begin(&self, id: SourceId, now: Instant) -> bool {
        let Some(places) = self.trial_slots() else { return true };
        let Some(source) = self.sources.get(&id) else { return false };
        // Earned pieces need no slot, so honest sources are not held back by those on trial.
        let earned = self.earned_by(source);
        // Fast path: hardly any source contributes to all pieces in progress.
        if self.active.len() < earned {
            return true;
        }
        // This count visits all pieces in progress.
        let moved = self.active.count_moving_by(id);
        if moved < earned {
            return true;
        }
        if is_late(source, now) {
            return self.is_trusted(source) && moved < earned + places;
        }
        // Late sources have lost their slots, so that the others can use them.
        let holders = self.sources.iter().filter(|(_, source)| !is_late(source, now));
        let held = holders
            .map(|(id, source)| self.active.count_moving_by(*id).saturating_sub(self.earned_by(source)));
        held.sum::<usize>() < places
    }

    /// Returns true if trials are enabled and some source is not trusted.
    pub(super) fn has_sources_on_trial(&self) -> bool {
        self.config.max_on_trial.is_some() && !self.sources.values().all(|source| self.is_trusted(source))
    }

    /// Returns true if trials are enabled and some source is proven.
    pub(super) fn is_any_proven(&self) -> bool {
        self.config.max_on_trial.is_some() && self.sources.values().any(SwarmSource::is_proven)
    }

    /// Returns true if a source may be asked for what another one owes. An untested source may not while a third, proven source
    /// serves us.
    pub(super) fn may_duplicate(&self, id: SourceId, debtor: SourceId, now: Instant) -> bool {
        // A proven source is the better choice as long as one is serving.
        let serves = |(other, source): (&SourceId, &SwarmSource)| {
            *other != debtor && source.is_proven() && !source.choked && !source.is_snubbing(now)
        };
        self.config.max_on_trial.is_none() || self.is_proven(id) || !self.sources.iter().any(serves)
    }

    /// Returns true if the source is connected and its latest piece was valid.
    pub(super) fn is_proven(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(SwarmSource::is_proven)
    }

    /// Returns true if a source was benched and others are proven.
    pub(super) fn is_expendable(&self, source: &SwarmSource) -> bool {
        source.is_benched() && self.is_any_proven()
    }

    /// Releases the pieces of silent sources on trial so that others can start them, and wakes idle sources, since trial
    /// slots become free over time.
    pub(super) fn release_late_pieces(&mut self, now: Instant) {
        if !self.has_sources_on_trial() {
            return;
        }
        let waits = |id: &SourceId| {
            self.has_room(*id) && self.sources.get(id).is_some_and(|source| !is_late(source, now))
        };
        // Released pieces would find nobody to fetch them.
        if !self.request_turns.idle().iter().any(waits) {
            return;
        }
        // Only sources that never sent a byte: one that is merely slow keeps its piece.
        let is_mute =
            |source: &SwarmSource| source.received == 0 && !source.is_benched() && is_late(source, now);
        let mute: Vec<SourceId> =
            self.sources.iter().filter(|(_, source)| is_mute(source)).map(|(id, _)| *id).collect();
        for id in mute {
            if let Some(source) = self.sources.get_mut(&id) {
                source.set_benched(true);
                let owed = source.blocks_owed();
                self.release(id, owed);
            }
        }
        self.request_turns.wake_all();
    }

    /// Restores the pieces of a benched source that sends data after all. It shares those that other sources have started in
    /// the meantime.
    pub(super) fn restore_pieces(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id).filter(|source| source.is_benched()) else { return };
        source.set_benched(false);
        for block in source.blocks_owed() {
            if block.begin == 0 && self.active.get(block.piece).is_none() {
                let taken = self.picker.take_random(&Have::All, |piece| piece == block.piece);
                // Only the last block of a piece may be shorter than the others.
                let _ = taken.and_then(|piece| self.active.open(&self.geometry, piece, block.length));
            }
            self.active.requested(id, block);
        }
    }
}

/// Returns true if a source has owed a block for longer than it may hold a trial slot.
fn is_late(source: &SwarmSource, now: Instant) -> bool {
    let (trips, least) = TRIAL_TIMEOUT;
    // A distant source needs a few round trips for its first block.
    let patience = (source.window.rtt() * trips).max(least);
    source.owed().any(|(_, since)| now.saturating_duration_since(since) >= patience)
}
