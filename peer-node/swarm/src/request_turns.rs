//! Round robin over the sources that can be asked for blocks.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::source::SourceId;

/// Tracks which sources are worth checking when requests are made. Checking hundreds of sources after every block would
/// cost more than everything else in the engine.
#[derive(Debug, Default)]
pub(super) struct RequestTurns {
    /// Sources that may have room for a request.
    ready: BTreeSet<SourceId>,
    /// Sources with room for which there was nothing to request.
    idle: BTreeSet<SourceId>,
    /// The source that was returned last.
    last: Option<SourceId>,
}

impl RequestTurns {
    /// Returns the next source that may have room, or `None` once all are marked full or idle.
    pub(super) fn next(&mut self) -> Option<SourceId> {
        // Continue behind the last one, then from the start: no source is served twice before all others.
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.ready.range((after, Bound::Unbounded)).next().or_else(|| self.ready.first());
        self.last = next.copied();
        self.last
    }

    /// Marks a source that may have room.
    pub(super) fn mark_ready(&mut self, id: SourceId) {
        self.idle.remove(&id);
        self.ready.insert(id);
    }

    /// Marks a source that has no room until it answers.
    pub(super) fn mark_full(&mut self, id: SourceId) {
        self.ready.remove(&id);
    }

    /// Marks a source with room for which there is nothing to request.
    pub(super) fn mark_idle(&mut self, id: SourceId) {
        self.ready.remove(&id);
        self.idle.insert(id);
    }

    /// Makes an idle source ready, because there may be something to request from it.
    pub(super) fn wake(&mut self, id: SourceId) {
        if self.idle.remove(&id) {
            self.ready.insert(id);
        }
    }

    /// Makes all idle sources ready, because there may be something to request from them.
    pub(super) fn wake_all(&mut self) {
        self.ready.append(&mut self.idle);
    }

    pub(super) fn remove(&mut self, id: SourceId) {
        self.ready.remove(&id);
        self.idle.remove(&id);
    }

    /// Returns the idle sources.
    pub(super) fn idle(&self) -> Vec<SourceId> {
        self.idle.iter().copied().collect()
    }
}
