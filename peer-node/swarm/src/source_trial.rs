//! How much is requested of sources that have given few right pieces or none.
//!
//! Each of them may be a liar, and new ones cost nothing. So together they have few pieces under way, and a download beside many
//! liars costs little more than one without. Every right piece earns a source some of its own, so that an honest one is soon
//! asked for all that its path can carry, while one that lies now and then never has much that would be lost with it. A source
//! on trial that keeps a piece for long loses its place in that number, though not the piece: those that come next are not to
//! wait for one that says nothing or trickles. Where much of what came was wrong, and somebody has proved to be right, strangers
//! are tried one piece at a time. A piece that came wrong goes to the source with the best record of those that have it: many may lie
//! about the same piece.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::geometry::PieceIndex;

use super::Swarm;
use super::have::Have;
use super::source::{SourceId, SwarmSource};

/// The largest share of a content that may be under way from them: one in so many pieces.
const TRIAL_SHARE: u32 = 10;

/// One wrong piece to so many right ones is much, once there are more wrong ones than places on trial.
const POISONED_RATIO: u32 = 8;

/// How many pieces a source may have under way for each right one that it gave since its last wrong one, whatever others have.
const EARNED_PER_PIECE: usize = 1;

/// How long one of them keeps its place in round trips, and at least.
const TRIAL_TIMEOUT: (u32, Duration) = (4, Duration::from_millis(200));

/// What the verdicts on the pieces that a source had a hand in say of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum SourceRecord {
    /// None was good yet.
    Untested,
    /// The last one was good; so many were since the last bad one.
    Proven(u32),
    /// One was, but not the last.
    Doubted,
}

impl SourceRecord {
    /// Returns what it is after a verdict.
    pub(super) const fn after(self, good: bool) -> Self {
        match (good, self) {
            (true, Self::Proven(pieces)) => Self::Proven(pieces.saturating_add(1)),
            (true, _) => Self::Proven(1),
            (false, Self::Untested) => Self::Untested,
            (false, _) => Self::Doubted,
        }
    }
}

/// What was found of the pieces that came.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    valid: u32,
    invalid: u32,
    /// The pieces that came wrong and have not come right since.
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

    /// Returns true unless a piece came wrong before and another source that may give it has a better record.
    pub(super) fn is_best_for(
        &self,
        piece: PieceIndex,
        source: &SwarmSource,
        sources: &BTreeMap<SourceId, SwarmSource>,
        now: Instant,
    ) -> bool {
        let is_better = |other: &SwarmSource| {
            other.valid_in_a_row() > source.valid_in_a_row()
                && other.may_supply(piece)
                && !other.choked
                && !other.is_snubbing(now)
        };
        !self.failed.contains(&piece) || !sources.values().any(is_better)
    }

    /// Returns true if more was wrong than a few pieces and a small share of all.
    const fn has_many_errors(&self, few: u32) -> bool {
        self.invalid > few && self.invalid > self.valid / POISONED_RATIO
    }
}

impl Swarm {
    /// Returns how many pieces may be under way that no source has earned, if that is limited.
    fn trial_slots(&self) -> Option<usize> {
        self.config.max_on_trial?;
        Some(if self.is_poisoned() && self.is_any_proven() { 1 } else { self.max_trial_slots() as usize })
    }

    fn max_trial_slots(&self) -> u32 {
        let share = (self.geometry.piece_count() / TRIAL_SHARE).max(1);
        self.config.max_on_trial.unwrap_or(u32::MAX).min(share)
    }

    /// Returns true if sources are on trial here and much of what came was wrong.
    pub(super) fn is_poisoned(&self) -> bool {
        self.config.max_on_trial.is_some() && self.verdicts.has_many_errors(self.max_trial_slots())
    }

    /// Returns true if a source may begin another piece: one that it has earned, or while a place is free. Of those that are late,
    /// which hold none, one on trial first finishes what it has, and a proven one has as many places as all others together.
    pub(super) fn may_begin(&self, id: SourceId, now: Instant) -> bool {
        let Some(places) = self.trial_slots() else { return true };
        let Some(source) = self.sources.get(&id) else { return false };
        let earned = earned_by(source);
        // Hardly any source has a hand in all that is under way, so that nothing needs to be counted most of the time.
        if self.active.len() < earned {
            return true;
        }
        let moved = self.active.count_moving_by(id);
        if moved < earned {
            return true;
        }
        if is_late(source, now) {
            return source.is_proven() && moved < earned + places;
        }
        let holders = self.sources.iter().filter(|(_, source)| !is_late(source, now));
        let held =
            holders.map(|(id, source)| self.active.count_moving_by(*id).saturating_sub(earned_by(source)));
        held.sum::<usize>() < places
    }

    /// Returns true if sources are on trial here and one of them is proven.
    pub(super) fn is_any_proven(&self) -> bool {
        self.config.max_on_trial.is_some() && self.sources.values().any(SwarmSource::is_proven)
    }

    /// Returns true if a source may be asked for what another one owes: one on trial may not while a third, proven one serves us.
    pub(super) fn may_duplicate(&self, id: SourceId, debtor: SourceId, now: Instant) -> bool {
        let serves = |(other, source): (&SourceId, &SwarmSource)| {
            *other != debtor && source.is_proven() && !source.choked && !source.is_snubbing(now)
        };
        self.config.max_on_trial.is_none() || self.is_proven(id) || !self.sources.iter().any(serves)
    }

    /// Returns true if a source is here whose last piece was right.
    pub(super) fn is_proven(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(SwarmSource::is_proven)
    }

    /// Returns true if a source was asked and has never sent anything, and others are proven.
    pub(super) fn is_expendable(&self, source: &SwarmSource) -> bool {
        source.is_benched() && self.is_any_proven()
    }

    /// Has pieces begun by others that sources on trial hold and say nothing about, and lets those that found nothing to do look
    /// again: places become free by the passing of time.
    pub(super) fn release_late_pieces(&mut self, now: Instant) {
        if self.config.max_on_trial.is_none() || self.sources.values().all(SwarmSource::is_proven) {
            return;
        }
        let waits = |id: &SourceId| {
            self.has_room(*id) && self.sources.get(id).is_some_and(|source| !is_late(source, now))
        };
        if !self.request_turns.idle().iter().any(waits) {
            return;
        }
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

    /// Restores the pieces of a benched source that sends something after all. Pieces that others have begun meanwhile it shares
    /// with them.
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

/// Returns how many pieces a source may have under way in its own right.
const fn earned_by(source: &SwarmSource) -> usize {
    source.valid_in_a_row() as usize * EARNED_PER_PIECE
}

/// Returns true if a source has owed a block for longer than it may hold a place.
fn is_late(source: &SwarmSource, now: Instant) -> bool {
    let (trips, least) = TRIAL_TIMEOUT;
    let patience = (source.window.rtt() * trips).max(least);
    source.owed().any(|(_, since)| now.saturating_duration_since(since) >= patience)
}
