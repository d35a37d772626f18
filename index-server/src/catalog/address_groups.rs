//! The address groups of listed nodes.

use std::collections::HashMap;

use crate::address_group::AddressGroup;
use crate::ids::NodeNo;

/// The address groups of all nodes whose files count, including nodes whose files are still being updated.
#[derive(Debug, Default)]
pub(super) struct AddressGroups {
    by_node: HashMap<NodeNo, AddressGroup>,
    /// The nodes of groups that may have several members.
    members: HashMap<AddressGroup, Vec<NodeNo>>,
}

impl AddressGroups {
    /// Adds a node to a group; returns false if its files still count for another group.
    pub(super) fn join(&mut self, node: NodeNo, group: AddressGroup) -> bool {
        if let Some(known) = self.by_node.get(&node) {
            return *known == group;
        }
        self.by_node.insert(node, group);
        if let AddressGroup::Address(_) = group {
            let members = self.members.entry(group).or_default();
            debug_assert!(!members.contains(&node), "a node without a group is a member");
            members.push(node);
        }
        true
    }

    /// Removes a node once none of its files count.
    pub(super) fn leave(&mut self, node: NodeNo) {
        let Some(group) = self.by_node.remove(&node) else { return };
        let Some(members) = self.members.get_mut(&group) else { return };
        let before = members.len();
        members.retain(|member| *member != node);
        debug_assert_eq!(members.len() + 1, before, "a node is a member of its group once");
        if members.is_empty() {
            self.members.remove(&group);
        }
    }

    /// Returns true if two nodes are in the same group.
    pub(super) fn is_same_group(&self, node: NodeNo, other: NodeNo) -> bool {
        self.by_node.get(&node).is_some_and(|group| self.by_node.get(&other) == Some(group))
    }

    /// Returns all members of a node's group including the node; empty if it has no other members.
    pub(super) fn members_with(&self, node: NodeNo) -> &[NodeNo] {
        let members = self.by_node.get(&node).and_then(|group| self.members.get(group));
        members.map(Vec::as_slice).filter(|members| members.len() > 1).unwrap_or_default()
    }

    /// Returns a node's group.
    pub(super) fn group_of(&self, node: NodeNo) -> Option<AddressGroup> {
        self.by_node.get(&node).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_leaves_its_group_before_joining_another() {
        let mut groups = AddressGroups::default();
        let [first, second] =
            ["192.0.2.1", "192.0.2.2"].map(|address| AddressGroup::Address(address.parse().unwrap()));
        let [one, two, alone] = [1, 2, 3].map(NodeNo);
        assert!(groups.join(one, first) && groups.join(two, first) && groups.join(two, first));
        assert!(groups.join(alone, AddressGroup::Node(alone)));
        assert_eq!(groups.members_with(one), [one, two]);
        assert!(groups.is_same_group(one, two) && !groups.is_same_group(one, alone));
        assert!(groups.members_with(alone).is_empty());
        assert!(!groups.join(two, second));
        groups.leave(two);
        assert!(groups.join(two, second));
        assert!(groups.members_with(one).is_empty() && groups.members_with(two).is_empty());
        for node in [one, two, alone] {
            groups.leave(node);
        }
        assert!(groups.by_node.is_empty() && groups.members.is_empty());
    }
}
