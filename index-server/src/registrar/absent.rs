//! Nodes that go, and lists of nodes that do not come again.

use tracing::info;

use super::BACKLOG;
use super::actor::{Actor, STEP};
use super::forgetting::Times;
use crate::catalog::{Forgotten, NodeNo, Writes};
use crate::directory::State;
use crate::store::Backing;

impl<B: Backing> Actor<B> {
    /// Notes that a node has gone; one that never shared anything is forgotten, once everything of it is on disk.
    pub(super) fn part(&mut self, node: NodeNo) {
        self.room.left();
        let (moment, is_broken) = (self.moment(), self.broken.is_some());
        let writes = self.directory.change(|State { catalog, roster, .. }| match roster.is_present(node) {
            true => None,
            false if is_broken => {
                catalog.stop(node);
                None
            }
            false => catalog.part(node, moment),
        });
        if is_broken {
            return;
        }
        self.gathered.writes.extend(writes);
        self.gathered.left.push(node);
    }

    /// Forgets the lists of nodes that were not seen for long, and notes which of the others are there.
    pub(super) fn forget(&mut self) {
        if self.forgetting.take_hurry() {
            return self.shed();
        }
        let (unix, now) = self.moment();
        let Some(times) = self.forgetting.look(now, unix) else { return };
        let to_look_at = self.directory.look(|state| state.catalog.to_look_at(times.stale));
        for nodes in to_look_at.chunks(BACKLOG) {
            let writes: Vec<Writes> = nodes.iter().filter_map(|node| self.look_at(*node, &times)).collect();
            self.gathered.writes.extend(writes);
            self.gathered.left.extend(nodes);
            self.settle();
            if self.broken.is_some() {
                return;
            }
        }
        self.shed();
        if self.broken.is_none() {
            self.forget_orphans();
        }
    }

    /// Notes that a node is there, or forgets it if it was not there for too long.
    fn look_at(&self, node: NodeNo, times: &Times) -> Option<Writes> {
        let moment = self.moment();
        let noted = self.directory.change(|State { catalog, roster, .. }| {
            roster.is_present(node).then(|| catalog.seen(node, moment))
        });
        let is_over = |state: &State| state.catalog.is_over(node, times.forgotten, times.brief);
        noted.unwrap_or_else(|| self.forget_list(node, is_over))
    }

    /// Forgets the list of a node that is not there, if there is a reason, and returns what is to be written.
    pub(super) fn forget_list(
        &self,
        node: NodeNo,
        reason: impl Fn(&State) -> Option<Forgotten>,
    ) -> Option<Writes> {
        let reason = |state: &State| if state.roster.is_present(node) { None } else { reason(state) };
        let (id, mut gone) = self.directory.look(|state| {
            reason(state)?;
            Some((state.catalog.list(node)?.id(), state.catalog.paths(node)))
        })?;
        let last = gone.split_off(gone.len().saturating_sub(STEP));
        let reason = self.directory.change(|state| {
            let reason = reason(state)?;
            // From here on the node is told that its list is another one, should it come while the rest goes.
            let begun = state.catalog.unregister(node, last.iter().map(AsRef::as_ref));
            begun.is_ok().then_some(reason)
        })?;
        info!(node = %id.short(), reason = reason.name(), "forgets the list of a node");
        self.metrics.count_forgotten(reason);
        self.strike_off(node, &gone).ok()?;
        self.take_writes(node, self.directory.clock().unix())
    }

    /// Returns the seconds since 1970, and the moment.
    fn moment(&self) -> (u64, std::time::Instant) {
        (self.directory.clock().unix(), self.directory.clock().now())
    }
}
