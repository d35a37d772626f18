//! Byte budgets for file lists: per node, per address, and in total in memory and on disk. Pure.

use protocol::index::Refusal;
use protocol::limits::MAX_FILES_PER_NODE;

const MIB: u64 = 1 << 20;

/// Estimated bytes in memory and on disk per byte of an encoded list, used until a list is stored and can be counted exactly.
pub(crate) const MEMORY_PER_BYTE: u64 = 4;
pub(crate) const DISK_PER_BYTE: u64 = 3;

/// The default limits of a node's list and of the lists at one address.
const NODE_BYTES: u64 = 128 * MIB;
const ADDRESS_BYTES: u64 = 256 * MIB;
const _: () =
    assert!(NODE_BYTES >= 102 * MAX_FILES_PER_NODE as u64, "as many ordinary names as a node may share fit");
const _: () = assert!(ADDRESS_BYTES >= NODE_BYTES, "an address has room for the list of a node");
const _: () = assert!(MEMORY_PER_BYTE >= 1 && DISK_PER_BYTE >= 1, "a list takes at least its own bytes");

/// Byte limits for lists; 0 means unlimited. `per_node` and `per_address` count bytes of encoded lists, `memory` and `disk` the
/// bytes that all lists occupy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLimits {
    /// The encoded list of one node.
    pub per_node: u64,
    /// All encoded lists counted at one address.
    pub per_address: u64,
    /// All lists in memory.
    pub memory: u64,
    /// All lists on disk.
    pub disk: u64,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self { per_node: NODE_BYTES, per_address: ADDRESS_BYTES, memory: 0, disk: 0 }
    }
}

/// The kind of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Node,
    Address,
    Memory,
    Disk,
}

/// Bytes in use, or needed after a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BudgetUsage {
    pub(crate) node: u64,
    pub(crate) address: u64,
    pub(crate) memory: u64,
    pub(crate) disk: u64,
}

/// A budget that a change would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverBudget {
    pub(crate) budget: Budget,
    pub(crate) needed: u64,
    pub(crate) limit: u64,
}

impl Budget {
    pub(crate) const ALL: [Self; 4] = [Self::Node, Self::Address, Self::Memory, Self::Disk];

    /// Returns the name used in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Address => "address",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }

    /// Returns the description used in refusals.
    const fn description(self) -> &'static str {
        match self {
            Self::Node => "the list of this node",
            Self::Address => "the lists of all nodes at this address",
            Self::Memory => "all lists of this index in memory",
            Self::Disk => "all lists of this index on disk",
        }
    }
}

impl BudgetLimits {
    /// Returns the first budget that `usage` exceeds.
    pub(crate) fn exceeded(&self, usage: &BudgetUsage) -> Option<OverBudget> {
        Budget::ALL.into_iter().find_map(|budget| {
            let (needed, limit) = (usage.of(budget), self.of(budget));
            (limit > 0 && needed > limit).then_some(OverBudget { budget, needed, limit })
        })
    }

    /// Returns the limit of a budget.
    pub(crate) const fn of(&self, budget: Budget) -> u64 {
        match budget {
            Budget::Node => self.per_node,
            Budget::Address => self.per_address,
            Budget::Memory => self.memory,
            Budget::Disk => self.disk,
        }
    }

    /// Returns slightly lower limits, so that an expiry frees room for more than the next file.
    #[must_use]
    pub(crate) fn with_slack(self) -> Self {
        let lower = |limit: u64| limit - (limit / 64).min(16 * MIB);
        let lowered = Self {
            per_node: self.per_node,
            per_address: lower(self.per_address),
            memory: lower(self.memory),
            disk: lower(self.disk),
        };
        // A limit of 0 would mean unlimited.
        debug_assert!(Budget::ALL.iter().all(|budget| (self.of(*budget) == 0) == (lowered.of(*budget) == 0)));
        lowered
    }
}

impl BudgetUsage {
    /// Returns the bytes used of a budget.
    pub(crate) const fn of(&self, budget: Budget) -> u64 {
        match budget {
            Budget::Node => self.node,
            Budget::Address => self.address,
            Budget::Memory => self.memory,
            Budget::Disk => self.disk,
        }
    }
}

impl From<OverBudget> for Refusal {
    fn from(over: OverBudget) -> Self {
        Self::OverBudget { what: over.budget.description().into(), wanted: over.needed, limit: over.limit }
    }
}

/// Replaces [`Refusal::OverBudget`] for nodes that do not know it.
pub(crate) fn downgraded_refusal(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::OverBudget { what, limit, .. } => {
            Refusal::TooMany { what: format!("bytes for {what}"), limit }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_exceeded_budget_is_reported() {
        let limits = BudgetLimits { per_node: 10, per_address: 20, memory: 30, disk: 40 };
        let fits = BudgetUsage { node: 10, address: 20, memory: 30, disk: 40 };
        assert_eq!(limits.exceeded(&fits), None);
        let over = |usage| limits.exceeded(&usage).map(|over| (over.budget, over.needed, over.limit));
        assert_eq!(over(BudgetUsage { node: 11, disk: 41, ..fits }), Some((Budget::Node, 11, 10)));
        assert_eq!(over(BudgetUsage { address: 21, ..fits }), Some((Budget::Address, 21, 20)));
        assert_eq!(over(BudgetUsage { memory: 31, ..fits }), Some((Budget::Memory, 31, 30)));
        assert_eq!(over(BudgetUsage { disk: 41, ..fits }), Some((Budget::Disk, 41, 40)));
        let none = BudgetLimits { per_node: 0, per_address: 0, memory: 0, disk: 0 };
        assert_eq!(none.exceeded(&BudgetUsage { node: u64::MAX, disk: u64::MAX, ..fits }), None);
    }

    #[test]
    fn refusal_names_budget_and_usage() {
        let over = OverBudget { budget: Budget::Node, needed: 140 * MIB, limit: 128 * MIB };
        let refusal = Refusal::from(over);
        assert_eq!(refusal.to_string(), "the list of this node would take 140.0 MiB of at most 128.0 MiB");
        let older = downgraded_refusal(refusal).to_string();
        assert_eq!(older, "too many bytes for the list of this node: the limit is 134217728");
        assert_eq!(downgraded_refusal(Refusal::NoSuchPeer), Refusal::NoSuchPeer);
    }

    #[test]
    fn only_large_budgets_get_slack() {
        let limits = BudgetLimits { per_node: 64, per_address: 128, memory: 63, disk: 1 << 40 }.with_slack();
        assert_eq!((limits.per_node, limits.per_address, limits.memory), (64, 126, 63));
        assert_eq!(limits.disk, (1 << 40) - 16 * MIB);
    }
}
