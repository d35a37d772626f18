//! Departures of nodes, and expiry of the lists of nodes that do not return.

use tracing::info;

use super::BACKLOG;
use super::actor::{Actor, STEP};
use super::expiry_schedule::ExpiryTimes;
use crate::catalog::{ExpiryReason, ListWrites};
use crate::directory::DirectoryState;
use crate::ids::NodeNo;
use crate::store::StoreBackend;

impl<B: StoreBackend> Actor<B> {
    /// Records that a node has left; one that shares nothing is removed once its changes are on disk.
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
        self.pending.add_writes(writes);
        self.pending.add_departed([node]);
    }

    /// Expires the lists of nodes not seen for long, and records which other nodes are online.
    pub(super) fn expire_lists(&mut self) {
        if self.expiry.take_capacity_retry() {
            return self.enforce_budgets();
        }
        let (unix, now) = self.now();
        let Some(times) = self.expiry.begin_round(now, unix) else { return };
        let candidates = self.directory.read(|state| state.catalog.expiry_candidates(times.recheck_cutoff));
        for nodes in candidates.chunks(BACKLOG) {
            let writes: Vec<ListWrites> =
                nodes.iter().filter_map(|node| self.expire_or_record_seen(*node, &times)).collect();
            self.pending.add_writes(writes);
            self.pending.add_departed(nodes.iter().copied());
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

    /// Records that a node is online, or expires its list if it was offline for too long.
    fn expire_or_record_seen(&self, node: NodeNo, times: &ExpiryTimes) -> Option<ListWrites> {
        let moment = self.now();
        let seen = self.directory.write(|DirectoryState { catalog, roster, .. }| {
            roster.is_present(node).then(|| catalog.record_seen(node, moment))
        });
        let expiry_reason = |state: &DirectoryState| {
            state.catalog.expiry_reason(node, times.expiry, times.short_lived_expiry)
        };
        seen.unwrap_or_else(|| self.expire_list(node, expiry_reason))
    }

    /// Expires the list of an offline node if there is a reason; returns the resulting writes.
    pub(super) fn expire_list(
        &self,
        node: NodeNo,
        reason: impl Fn(&DirectoryState) -> Option<ExpiryReason>,
    ) -> Option<ListWrites> {
        let reason =
            |state: &DirectoryState| if state.roster.is_present(node) { None } else { reason(state) };
        let (id, mut paths) = self.directory.read(|state| {
            reason(state)?;
            Some((state.catalog.list(node)?.id(), state.catalog.paths(node)))
        })?;
        let last = paths.split_off(paths.len().saturating_sub(STEP));
        let reason = self.directory.write(|state| {
            let reason = reason(state)?;
            // This changes the summary first, so that a node that returns meanwhile sends its whole list again.
            let unregistered = state.catalog.unregister(node, last.iter().map(AsRef::as_ref));
            unregistered.is_ok().then_some(reason)
        })?;
        info!(node = %id.short(), reason = reason.name(), "list expired");
        self.metrics.count_expired(reason);
        self.remove_files(node, &paths).ok()?;
        self.take_writes(node, self.directory.clock().unix())
    }

    /// Returns the seconds since 1970 and the monotonic time.
    fn now(&self) -> (u64, std::time::Instant) {
        (self.directory.clock().unix(), self.directory.clock().now())
    }
}
