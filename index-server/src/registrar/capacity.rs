//! Room for what is registered: budgets, and lists of absent nodes that are forgotten when the index or an address is full.

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

/// No more bytes of lists are forgotten before others are heard: about a second's worth.
const MAX_BYTES_EXPIRED: u64 = 16 << 20;

/// How much lists may take, and what is known of the room for more.
pub(super) struct Capacity {
    files_per_node: u32,
    budgets: BudgetLimits,
    /// The addresses, or none for the whole index, of which every list is that of a node that is there, unless one has gone
    /// since.
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

    /// Notes that there may be lists again that can be forgotten: a node has gone, or the store was read again.
    pub(super) fn reset_exhausted(&mut self) {
        self.exhausted.clear();
    }
}

impl<B: StoreBackend> Actor<B> {
    /// Makes sure that the budgets allow a node to register files.
    pub(super) fn admit_files(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), Refusal> {
        // Nothing needs to be looked for where all would fit, were they all new.
        if self.exceeded(Some(node), encoded_len_of_all(files), self.capacity.budgets).is_none() {
            return Ok(());
        }
        match self.directory.read(|state| state.catalog.growth(node, files)) {
            0 => Ok(()),
            growth => self.admit(Some(node), growth),
        }
    }

    /// Makes sure that the budgets allow so many more bytes: of a list, or of no node's.
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

    /// Forgets lists while all together are over a budget as it is.
    pub(super) fn enforce_budgets(&mut self) {
        let Some(over) = self.exceeded(None, 0, self.capacity.budgets) else { return };
        debug!(budget = over.budget.name(), used = over.needed, limit = over.limit, "over budget");
        self.free_capacity(None, 0, over.budget);
        self.schedule_more_capacity();
        self.flush();
    }

    /// Sees to it that more is forgotten soon if all lists together are over a budget and some could be forgotten.
    fn schedule_more_capacity(&mut self) {
        let is_over = self.exceeded(None, 0, self.capacity.budgets).is_some();
        if is_over && self.outage.is_none() && !self.capacity.exhausted.contains(&None) {
            self.expiry.schedule_capacity_retry(self.directory.clock().now());
        }
    }

    /// Forgets the lists of the nodes that are absent longest, until a budget has room for so many more bytes and a little more, or
    /// much was forgotten.
    fn free_capacity(&mut self, node: Option<NodeNo>, growth: u64, budget: Budget) {
        let beside = node.filter(|_| budget == Budget::Address);
        let place = self.directory.read(|state| beside.and_then(|node| state.catalog.address_of(node)));
        if self.capacity.exhausted.contains(&place) {
            return;
        }
        // A node's number is free only when its last change is on disk, so nothing may be under way.
        self.flush();
        if self.outage.is_some() {
            return;
        }
        let absent = self.directory.read(|DirectoryState { catalog, roster, .. }| {
            let nodes = catalog.least_recently_seen(beside).into_iter();
            nodes.filter(|node| !roster.is_present(*node)).collect::<Vec<NodeNo>>()
        });
        let target = self.capacity.budgets.with_slack().of(budget);
        let (mut absent, mut forgotten) = (absent.into_iter(), 0);
        while self.directory.read(|state| state.usage(node, growth)).of(budget) > target
            && forgotten < MAX_BYTES_EXPIRED
        {
            let Some(next) = absent.next() else {
                self.capacity.exhausted.insert(place);
                return;
            };
            forgotten += self.directory.read(|state| state.catalog.list(next).map_or(0, FileList::bytes));
            let writes = self.forget_list(next, |_| Some(ExpiryReason::Capacity));
            self.pending.writes.extend(writes);
            self.pending.departed.push(next);
        }
    }

    fn exceeded(&self, node: Option<NodeNo>, growth: u64, limits: BudgetLimits) -> Option<OverBudget> {
        limits.exceeded(&self.directory.read(|state| state.usage(node, growth)))
    }
}
