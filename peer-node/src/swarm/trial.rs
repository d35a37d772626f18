//! How much is requested of sources that have not given a right piece yet.
//!
//! Each of them may be a liar, and new ones cost nothing. So together they have few pieces under way, and a download beside many
//! liars costs little more than one without. A source that keeps a piece for long loses its place in that number, though not
//! the piece: those that come next are not to wait for one that says nothing or trickles.

use std::time::{Duration, Instant};

use super::Swarm;
use super::source::{Have, Source, SourceId};

/// The largest share of a content that may be under way from them: one in so many pieces.
const SHARE: u32 = 10;

/// How long one of them keeps its place in round trips, and at least.
const PATIENCE: (u32, Duration) = (4, Duration::from_millis(200));

/// What the verdicts on the pieces that a source had a hand in say of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trust {
    /// None was good yet.
    Stranger,
    /// The last one was good.
    Proven,
    /// One was, but not the last.
    Doubted,
}

impl Trust {
    /// Returns what it is after a verdict.
    pub(super) const fn after(self, good: bool) -> Self {
        match (good, self) {
            (true, _) => Self::Proven,
            (false, Self::Stranger) => Self::Stranger,
            (false, _) => Self::Doubted,
        }
    }
}

impl Swarm {
    /// Returns how many pieces sources on trial may have under way together, if that is limited.
    fn trial_places(&self) -> Option<usize> {
        let share = (self.geometry.piece_count() / SHARE).max(1);
        self.config.most_on_trial.map(|most| most.min(share) as usize)
    }

    /// Returns true if a source may begin another piece. One on trial that is late first finishes what it has.
    pub(super) fn may_begin(&self, id: SourceId, now: Instant) -> bool {
        let Some(places) = self.trial_places() else { return true };
        match self.sources.get(&id) {
            Some(source) if source.is_proven() => return true,
            Some(source) if is_late(source, now) => return false,
            _ => {}
        }
        let holds_place = |source: &Source| !source.is_proven() && !is_late(source, now);
        let on_trial = self.sources.iter().filter(|(_, source)| holds_place(source));
        on_trial.map(|(id, _)| self.active.moved_by(*id)).sum::<usize>() < places
    }

    /// Returns true if sources are on trial here and one of them is proven.
    fn is_any_proven(&self) -> bool {
        self.config.most_on_trial.is_some() && self.sources.values().any(Source::is_proven)
    }

    /// Returns true if a source may be asked for what another one owes: one on trial may not while a third, proven one serves us.
    pub(super) fn may_overtake(&self, id: SourceId, debtor: SourceId, now: Instant) -> bool {
        let serves = |(other, source): (&SourceId, &Source)| {
            *other != debtor && source.is_proven() && !source.choked && !source.is_snubbing(now)
        };
        self.config.most_on_trial.is_none() || self.is_proven(id) || !self.sources.iter().any(serves)
    }

    /// Returns true if a source is here whose last piece was right.
    pub(super) fn is_proven(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(Source::is_proven)
    }

    /// Returns true if a source was asked and has never sent anything, and others are proven.
    pub(super) fn is_needless(&self, source: &Source) -> bool {
        source.is_benched() && self.is_any_proven()
    }

    /// Has pieces begun by others that sources on trial hold and say nothing about, and lets those that found nothing to do look
    /// again: places become free by the passing of time.
    pub(super) fn look_for_places(&mut self, now: Instant) {
        if self.config.most_on_trial.is_none() || self.sources.values().all(Source::is_proven) {
            return;
        }
        let waits = |id: &SourceId| {
            self.has_room(*id) && self.sources.get(id).is_some_and(|source| !is_late(source, now))
        };
        if !self.turns.idle().iter().any(waits) {
            return;
        }
        let is_mute = |source: &Source| source.received == 0 && !source.is_benched() && is_late(source, now);
        let mute: Vec<SourceId> =
            self.sources.iter().filter(|(_, source)| is_mute(source)).map(|(id, _)| *id).collect();
        for id in mute {
            if let Some(source) = self.sources.get_mut(&id) {
                source.bench(true);
                let owed = source.blocks_owed();
                self.release(id, owed);
            }
        }
        self.turns.may_ask_all();
    }

    /// Restores the pieces of a benched source that sends something after all. Pieces that others have begun meanwhile it shares
    /// with them.
    pub(super) fn restore(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id).filter(|source| source.is_benched()) else { return };
        source.bench(false);
        for block in source.blocks_owed() {
            if block.begin == 0 && self.active.get(block.piece).is_none() {
                let taken = self.picker.take_random(&Have::All, |piece| piece == block.piece);
                // Only the last block of a piece may be shorter than the others.
                let _ = taken.and_then(|piece| self.active.open(&self.geometry, piece, block.length));
            }
            self.active.asked(id, block);
        }
    }
}

/// Returns true if a source has owed a block for longer than it may hold a place.
fn is_late(source: &Source, now: Instant) -> bool {
    let (trips, least) = PATIENCE;
    let patience = (source.pace.rtt() * trips).max(least);
    source.owed().any(|(_, since)| now.saturating_duration_since(since) >= patience)
}
