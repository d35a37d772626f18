//! Whose turn it is to be asked for something.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::source::SourceId;

/// Which sources are worth a look when requests are made: to look at each of two hundred after every block would cost more
/// than all else that the engine does.
#[derive(Debug, Default)]
pub(super) struct RequestTurns {
    /// Those that may have room for a request.
    ready: BTreeSet<SourceId>,
    /// Those that have room, but there was nothing to ask of them.
    idle: BTreeSet<SourceId>,
    /// Whose turn it was last.
    last: Option<SourceId>,
}

impl RequestTurns {
    /// Returns the next one that may have room; there is one until all are said to be full or idle.
    pub(super) fn next(&mut self) -> Option<SourceId> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.ready.range((after, Bound::Unbounded)).next().or_else(|| self.ready.first());
        self.last = next.copied();
        self.last
    }

    /// Notes that a source may have room.
    pub(super) fn mark_ready(&mut self, id: SourceId) {
        self.idle.remove(&id);
        self.ready.insert(id);
    }

    /// Notes that a source has no room until it answers.
    pub(super) fn mark_full(&mut self, id: SourceId) {
        self.ready.remove(&id);
    }

    /// Notes that a source has room and there is nothing to ask of it.
    pub(super) fn mark_idle(&mut self, id: SourceId) {
        self.ready.remove(&id);
        self.idle.insert(id);
    }

    /// Notes that there may be something to ask of a source, if it is idle.
    pub(super) fn wake(&mut self, id: SourceId) {
        if self.idle.remove(&id) {
            self.ready.insert(id);
        }
    }

    /// Notes that there may be something to ask of all that are idle.
    pub(super) fn wake_all(&mut self) {
        self.ready.append(&mut self.idle);
    }

    pub(super) fn remove(&mut self, id: SourceId) {
        self.ready.remove(&id);
        self.idle.remove(&id);
    }

    /// Returns those for which there was nothing to ask.
    pub(super) fn idle(&self) -> Vec<SourceId> {
        self.idle.iter().copied().collect()
    }
}
