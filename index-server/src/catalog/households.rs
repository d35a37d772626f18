//! Which listed nodes count as one.

use std::collections::HashMap;

use super::NodeNo;
use crate::household::Household;

/// The households of all nodes whose files count, or some of whose files still do.
#[derive(Debug, Default)]
pub(super) struct Households {
    of: HashMap<NodeNo, Household>,
    /// The nodes of those households that may have several.
    members: HashMap<Household, Vec<NodeNo>>,
}

impl Households {
    /// Enters a node; returns false if it still counts for another household.
    pub(super) fn join(&mut self, node: NodeNo, household: Household) -> bool {
        if let Some(known) = self.of.get(&node) {
            return *known == household;
        }
        self.of.insert(node, household);
        if let Household::Address(_) = household {
            self.members.entry(household).or_default().push(node);
        }
        true
    }

    /// Strikes off a node none of whose files counts any more.
    pub(super) fn part(&mut self, node: NodeNo) {
        let Some(household) = self.of.remove(&node) else { return };
        let Some(members) = self.members.get_mut(&household) else { return };
        members.retain(|member| *member != node);
        if members.is_empty() {
            self.members.remove(&household);
        }
    }

    /// Returns true if two nodes count as one.
    pub(super) fn is_one(&self, node: NodeNo, other: NodeNo) -> bool {
        self.of.get(&node).is_some_and(|household| self.of.get(&other) == Some(household))
    }

    /// Returns the nodes of a node's household, itself among them; none if it is alone.
    pub(super) fn with(&self, node: NodeNo) -> &[NodeNo] {
        let members = self.of.get(&node).and_then(|household| self.members.get(household));
        members.map(Vec::as_slice).filter(|members| members.len() > 1).unwrap_or_default()
    }

    /// Returns what a node counts as.
    #[cfg(test)]
    pub(super) fn of(&self, node: NodeNo) -> Option<Household> {
        self.of.get(&node).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_leaves_its_household_before_it_joins_another() {
        let mut households = Households::default();
        let [here, there] =
            ["192.0.2.1", "192.0.2.2"].map(|address| Household::Address(address.parse().unwrap()));
        let [one, two, alone] = [1, 2, 3].map(NodeNo);
        assert!(households.join(one, here) && households.join(two, here) && households.join(two, here));
        assert!(households.join(alone, Household::Node(alone)));
        assert_eq!(households.with(one), [one, two]);
        assert!(households.is_one(one, two) && !households.is_one(one, alone));
        assert!(households.with(alone).is_empty());
        assert!(!households.join(two, there));
        households.part(two);
        assert!(households.join(two, there));
        assert!(households.with(one).is_empty() && households.with(two).is_empty());
        for node in [one, two, alone] {
            households.part(node);
        }
        assert!(households.of.is_empty() && households.members.is_empty());
    }
}
