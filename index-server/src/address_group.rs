//! Nodes that count as one, because keys cost nothing and addresses do.

use std::net::IpAddr;

use protocol::address_group::address_group;

use crate::ids::NodeNo;

/// All nodes of one address, or one node that counts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum AddressGroup {
    /// See [`address_group`].
    Address(IpAddr),
    /// A node of this machine, while that is exempt from what is counted by address.
    Node(NodeNo),
}

impl AddressGroup {
    /// Returns what a node at an address counts as.
    pub(crate) fn of(node: NodeNo, address: IpAddr, loopback_counts: bool) -> Self {
        match address_group(address) {
            address if address.is_loopback() && !loopback_counts => Self::Node(node),
            address => Self::Address(address),
        }
    }

    /// Returns the address, unless the node counts by itself.
    pub(crate) const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Node(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_one_address_form_a_group_except_loopback() {
        let of =
            |node, address: &str, counts| AddressGroup::of(NodeNo(node), address.parse().unwrap(), counts);
        assert_eq!(of(1, "192.0.2.1", false), of(2, "192.0.2.1", false));
        assert_eq!(of(1, "2001:db8::1", false), of(2, "2001:db8::2", false));
        assert_ne!(of(1, "fd00::1", false), of(2, "fd00::2", false));
        assert_ne!(of(1, "127.0.0.1", false), of(2, "127.0.0.1", false));
        assert_eq!(of(1, "127.0.0.1", true), of(2, "127.0.0.1", true));
    }
}
