//! Nodes that go, and lists of nodes that do not come again.

use tracing::info;

use super::BACKLOG;
use super::actor::{Actor, STEP};
use super::expiry_schedule::ExpiryTimes;
use crate::catalog::{ExpiryReason, ListWrites};
use crate::directory::DirectoryState;
use crate::ids::NodeNo;
use crate::store::StoreBackend;

impl<B: StoreBackend> Actor<B> {
    /// Notes that a node has gone; one that never shared anything is forgotten, once everything of it is on disk.
    pub(super) fn record_departure(&mut self, node: NodeNo) {
        self.capacity.reset_exhausted();
        let (moment, is_broken) = (self.now(), self.outage.is_some());
        let writes =
            self.directory.write(|DirectoryState { catalog, roster, .. }| match roster.is_present(node) {
                true => None,
                false if is_broken => {
                    catalog.stop_counting(node);
                    None
                }
                false => catalog.record_departure(node, moment),
            });
        if is_broken {
            return;
        }
        self.pending.writes.extend(writes);
        self.pending.departed.push(node);
    }

    /// Forgets the lists of nodes that were not seen for long, and notes which of the others are there.
    pub(super) fn expire_lists(&mut self) {
        if self.expiry.take_capacity_retry() {
            return self.enforce_budgets();
        }
        let (unix, now) = self.now();
        let Some(times) = self.expiry.begin_round(now, unix) else { return };
        let to_look_at = self.directory.read(|state| state.catalog.expiry_candidates(times.recheck_before));
        for nodes in to_look_at.chunks(BACKLOG) {
            let writes: Vec<ListWrites> =
                nodes.iter().filter_map(|node| self.expire_or_record_seen(*node, &times)).collect();
            self.pending.writes.extend(writes);
            self.pending.departed.extend(nodes);
            self.drain();
            if self.outage.is_some() {
                return;
            }
        }
        self.enforce_budgets();
        if self.outage.is_none() {
            self.expire_orphans();
        }
    }

    /// Notes that a node is there, or forgets it if it was not there for too long.
    fn expire_or_record_seen(&self, node: NodeNo, times: &ExpiryTimes) -> Option<ListWrites> {
        let moment = self.now();
        let noted = self.directory.write(|DirectoryState { catalog, roster, .. }| {
            roster.is_present(node).then(|| catalog.record_seen(node, moment))
        });
        let is_over = |state: &DirectoryState| {
            state.catalog.expiry_reason(node, times.expire_before, times.expire_short_lived_before)
        };
        noted.unwrap_or_else(|| self.forget_list(node, is_over))
    }

    /// Forgets the list of a node that is not there, if there is a reason, and returns what is to be written.
    pub(super) fn forget_list(
        &self,
        node: NodeNo,
        reason: impl Fn(&DirectoryState) -> Option<ExpiryReason>,
    ) -> Option<ListWrites> {
        let reason =
            |state: &DirectoryState| if state.roster.is_present(node) { None } else { reason(state) };
        let (id, mut gone) = self.directory.read(|state| {
            reason(state)?;
            Some((state.catalog.list(node)?.id(), state.catalog.paths(node)))
        })?;
        let last = gone.split_off(gone.len().saturating_sub(STEP));
        let reason = self.directory.write(|state| {
            let reason = reason(state)?;
            // From here on the node is told that its list is another one, should it come while the rest goes.
            let begun = state.catalog.unregister(node, last.iter().map(AsRef::as_ref));
            begun.is_ok().then_some(reason)
        })?;
        info!(node = %id.short(), reason = reason.name(), "forgets the list of a node");
        self.metrics.count_expired(reason);
        self.remove_files(node, &gone).ok()?;
        self.take_writes(node, self.directory.clock().unix())
    }

    /// Returns the seconds since 1970, and the moment.
    fn now(&self) -> (u64, std::time::Instant) {
        (self.directory.clock().unix(), self.directory.clock().now())
    }
}
