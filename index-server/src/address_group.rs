//! Groups nodes by address, because node keys cost nothing and addresses do.

use std::net::IpAddr;

use protocol::address_group::address_group;

use crate::ids::NodeNo;

/// All nodes at one address, or a single loopback node that forms its own group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum AddressGroup {
    /// See [`address_group`].
    Address(IpAddr),
    /// A node on this machine, if loopback addresses are exempt from grouping.
    Node(NodeNo),
}

impl AddressGroup {
    /// Returns the group of a node at an address.
    pub(crate) fn of(node: NodeNo, address: IpAddr, loopback_counts: bool) -> Self {
        match address_group(address) {
            address if address.is_loopback() && !loopback_counts => Self::Node(node),
            address => Self::Address(address),
        }
    }

    /// Returns the address, or `None` for a single node.
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
