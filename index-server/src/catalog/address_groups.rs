//! Which listed nodes count as one.

use std::collections::HashMap;

use crate::address_group::AddressGroup;
use crate::ids::NodeNo;

/// The households of all nodes whose files count, or some of whose files still do.
#[derive(Debug, Default)]
pub(super) struct AddressGroups {
    by_node: HashMap<NodeNo, AddressGroup>,
    /// The nodes of those households that may have several.
    members: HashMap<AddressGroup, Vec<NodeNo>>,
}

impl AddressGroups {
    /// Enters a node; returns false if it still counts for another household.
    pub(super) fn join(&mut self, node: NodeNo, household: AddressGroup) -> bool {
        if let Some(known) = self.by_node.get(&node) {
            return *known == household;
        }
        self.by_node.insert(node, household);
        if let AddressGroup::Address(_) = household {
            self.members.entry(household).or_default().push(node);
        }
        true
    }

    /// Strikes off a node none of whose files counts any more.
    pub(super) fn leave(&mut self, node: NodeNo) {
        let Some(household) = self.by_node.remove(&node) else { return };
        let Some(members) = self.members.get_mut(&household) else { return };
        members.retain(|member| *member != node);
        if members.is_empty() {
            self.members.remove(&household);
        }
    }

    /// Returns true if two nodes count as one.
    pub(super) fn is_same_group(&self, node: NodeNo, other: NodeNo) -> bool {
        self.by_node.get(&node).is_some_and(|household| self.by_node.get(&other) == Some(household))
    }

    /// Returns the nodes of a node's household, itself among them; none if it is alone.
    pub(super) fn members_with(&self, node: NodeNo) -> &[NodeNo] {
        let members = self.by_node.get(&node).and_then(|household| self.members.get(household));
        members.map(Vec::as_slice).filter(|members| members.len() > 1).unwrap_or_default()
    }

    /// Returns what a node counts as.
    #[cfg(test)]
    pub(super) fn group_of(&self, node: NodeNo) -> Option<AddressGroup> {
        self.by_node.get(&node).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_leaves_its_group_before_joining_another() {
        let mut households = AddressGroups::default();
        let [here, there] =
            ["192.0.2.1", "192.0.2.2"].map(|address| AddressGroup::Address(address.parse().unwrap()));
        let [one, two, alone] = [1, 2, 3].map(NodeNo);
        assert!(households.join(one, here) && households.join(two, here) && households.join(two, here));
        assert!(households.join(alone, AddressGroup::Node(alone)));
        assert_eq!(households.members_with(one), [one, two]);
        assert!(households.is_same_group(one, two) && !households.is_same_group(one, alone));
        assert!(households.members_with(alone).is_empty());
        assert!(!households.join(two, there));
        households.leave(two);
        assert!(households.join(two, there));
        assert!(households.members_with(one).is_empty() && households.members_with(two).is_empty());
        for node in [one, two, alone] {
            households.leave(node);
        }
        assert!(households.by_node.is_empty() && households.members.is_empty());
    }
}
