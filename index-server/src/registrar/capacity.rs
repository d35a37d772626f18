//! Enforces the byte budgets; expires lists of offline nodes when the index or an address is full.

use std::collections::HashSet;
use std::net::IpAddr;

use protocol::index::{FileRecord, Refusal};
use tracing::debug;

use super::actor::Actor;
use crate::budgets::{Budget, BudgetLimits, OverBudget};
use crate::catalog::{ExpiryReason, FileList, encoded_len_of_all};
use crate::directory::DirectoryState;
use crate::ids::NodeNo;
use crate::limits::IndexLimits;
use crate::store::StoreBackend;

/// Bytes of lists expired before other commands are handled: about one second of work.
const MAX_BYTES_EXPIRED: u64 = 16 << 20;

/// The budgets, and where expiry cannot free more.
pub(super) struct Capacity {
    files_per_node: u32,
    budgets: BudgetLimits,
    /// Addresses (`None` for the whole index) where every list belongs to an online node, so that nothing can expire until one
    /// leaves.
    exhausted: HashSet<Option<IpAddr>>,
}

impl Capacity {
    pub(super) fn of(limits: &IndexLimits) -> Self {
        let (files_per_node, budgets) = (limits.quotas.files_per_node, limits.budgets);
        Self { files_per_node, budgets, exhausted: HashSet::new() }
    }

    pub(super) const fn files_per_node(&self) -> u32 {
        self.files_per_node
    }

    /// Records that lists may be able to expire again: a node has left, or the store was reloaded.
    pub(super) fn reset_exhausted(&mut self) {
        self.exhausted.clear();
    }
}

impl<B: StoreBackend> Actor<B> {
    /// Checks that the budgets allow a node to register files; expires lists if necessary.
    pub(super) fn admit_files(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), Refusal> {
        // The lookups are only needed if the budget would be exceeded were all files new.
        if self.exceeded(Some(node), encoded_len_of_all(files), self.capacity.budgets).is_none() {
            return Ok(());
        }
        match self.directory.read(|state| state.catalog.growth(node, files)) {
            0 => Ok(()),
            growth => self.admit(Some(node), growth),
        }
    }

    /// Checks that the budgets allow growth by `growth` bytes, of a node's list or of the index; expires lists if necessary.
    pub(super) fn admit(&mut self, node: Option<NodeNo>, growth: u64) -> Result<(), Refusal> {
        let mut tried = None;
        while let Some(over) = self.exceeded(node, growth, self.capacity.budgets) {
            if tried == Some(over.budget) || over.budget == Budget::Node {
                self.metrics.count_over_budget(over.budget);
                if matches!(over.budget, Budget::Memory | Budget::Disk) {
                    self.schedule_more_capacity();
                }
                return Err(over.into());
            }
            self.free_capacity(node, growth, over.budget);
            if self.outage.is_some() {
                return Err(Refusal::StoreUnavailable);
            }
            tried = Some(over.budget);
        }
        Ok(())
    }

    /// Expires lists while all lists together exceed a budget.
    pub(super) fn enforce_budgets(&mut self) {
        let Some(over) = self.exceeded(None, 0, self.capacity.budgets) else { return };
        debug!(budget = over.budget.name(), used = over.needed, limit = over.limit, "over budget");
        self.free_capacity(None, 0, over.budget);
        self.schedule_more_capacity();
        self.flush();
    }

    /// Schedules another expiry soon if a budget of the whole index is exceeded and some lists can expire.
    fn schedule_more_capacity(&mut self) {
        let is_over = self.exceeded(None, 0, self.capacity.budgets).is_some();
        if is_over && self.outage.is_none() && !self.capacity.exhausted.contains(&None) {
            self.expiry.schedule_capacity_retry(self.directory.clock().now());
        }
    }

    /// Expires the lists of the nodes offline for longest, until a budget allows `growth` more bytes plus some slack, or
    /// [`MAX_BYTES_EXPIRED`] is reached.
    fn free_capacity(&mut self, node: Option<NodeNo>, growth: u64, budget: Budget) {
        let neighbour = node.filter(|_| budget == Budget::Address);
        let address = self.directory.read(|state| neighbour.and_then(|node| state.catalog.address_of(node)));
        if self.capacity.exhausted.contains(&address) {
            return;
        }
        // A node's number is reusable only once its last change is on disk, so no commit may be in progress.
        self.flush();
        if self.outage.is_some() {
            return;
        }
        let absent = self.directory.read(|DirectoryState { catalog, roster, .. }| {
            let nodes = catalog.least_recently_seen(neighbour).into_iter();
            nodes.filter(|node| !roster.is_present(*node)).collect::<Vec<NodeNo>>()
        });
        let target = self.capacity.budgets.with_slack().of(budget);
        let (mut absent, mut bytes_expired) = (absent.into_iter(), 0);
        while self.directory.read(|state| state.usage(node, growth)).of(budget) > target
            && bytes_expired < MAX_BYTES_EXPIRED
        {
            let Some(next) = absent.next() else {
                self.capacity.exhausted.insert(address);
                return;
            };
            bytes_expired += self.directory.read(|state| state.catalog.list(next).map_or(0, FileList::bytes));
            let writes = self.expire_list(next, |_| Some(ExpiryReason::Capacity));
            self.pending.add_writes(writes);
            self.pending.add_departed([next]);
        }
    }

    fn exceeded(&self, node: Option<NodeNo>, growth: u64, limits: BudgetLimits) -> Option<OverBudget> {
        limits.exceeded(&self.directory.read(|state| state.usage(node, growth)))
    }
}
