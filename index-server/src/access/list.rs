//! The text format of an access list: one network, address or node id per line; `#` starts a comment. Pure.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use protocol::escape::excerpt;
use protocol::node_id::NodeId;

use super::network::parse_network;

/// Networks and nodes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AccessList {
    networks: Vec<IpNet>,
    nodes: HashSet<NodeId>,
}

/// A line that is not a valid entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AccessListError {
    pub(super) line: usize,
    pub(super) reason: String,
}

impl AccessList {
    pub(super) fn parse(text: &str) -> Result<Self, AccessListError> {
        let mut list = Self::default();
        for (line, entry) in (1..).zip(text.lines()) {
            let entry = entry.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            if let Some(network) = parse_network(entry) {
                list.networks.push(network);
                continue;
            }
            let reason = || {
                format!(
                    "{} is neither a network such as 10.0.0.0/8 nor an address nor a node id of 64 hexadecimal digits",
                    excerpt(entry)
                )
            };
            let node = entry.parse::<NodeId>().map_err(|_| AccessListError { line, reason: reason() })?;
            list.nodes.insert(node);
        }
        Ok(list)
    }

    /// Returns true if a network of the list contains the address.
    pub(super) fn contains_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns true if the list contains the node.
    pub(super) fn contains_node(&self, node: &NodeId) -> bool {
        self.nodes.contains(node)
    }

    /// Returns true if this allow list admits an address. A list with nodes only does not restrict addresses.
    pub(super) fn admits_address(&self, address: IpAddr) -> bool {
        (self.networks.is_empty() && !self.nodes.is_empty()) || self.contains_address(address)
    }

    /// Returns true if this allow list admits a node. A list with networks only does not restrict nodes.
    pub(super) fn admits_node(&self, node: &NodeId) -> bool {
        (self.nodes.is_empty() && !self.networks.is_empty()) || self.contains_node(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_network_address_node_or_empty() {
        let text = format!("# ours\n\n10.0.0.0/8 # the office\n 2001:db8::/32\n{}\n", "0f".repeat(32));
        let list = AccessList::parse(&text).unwrap();
        assert_eq!((list.networks.len(), list.nodes.len()), (2, 1));
        assert!(list.contains_address("10.9.9.9".parse().unwrap()));
        assert!(list.contains_node(&NodeId::from_bytes([0x0f; 32])));
        let error = AccessList::parse("10.0.0.0/8\n\n10.0.0.0/33\n").unwrap_err();
        assert!(error.line == 3 && error.reason.contains("10.0.0.0/33"), "{error:?}");
        assert!(AccessList::parse("\u{1b}[2J").unwrap_err().reason.chars().all(|c| !c.is_control()));
    }

    #[test]
    fn allow_list_restricts_only_the_kinds_it_names() {
        let (address, node) = ("10.0.0.1".parse().unwrap(), NodeId::from_bytes([1; 32]));
        let admits = |text: &str| {
            let list = AccessList::parse(text).unwrap();
            (list.admits_address(address), list.admits_node(&node))
        };
        assert_eq!(admits("10.0.0.0/8"), (true, true));
        assert_eq!(admits("11.0.0.0/8"), (false, true));
        assert_eq!(admits(&"01".repeat(32)), (true, true));
        assert_eq!(admits(&"02".repeat(32)), (true, false));
        assert_eq!(admits("# nobody"), (false, false));
    }
}
