//! Filters the addresses that the index supplies.

use std::collections::HashSet;
use std::net::SocketAddr;

use protocol::index::ContentSource;
use protocol::node_id::NodeId;

use crate::addresses::{canonical, is_dialable};

/// Returns the sources to which a node may connect: not itself, by id or by address, no node twice, and only dialable
/// addresses. IPv4-mapped addresses are converted to IPv4.
pub(super) fn dialable_sources(
    sources: Vec<ContentSource>,
    own: NodeId,
    own_address: Option<SocketAddr>,
) -> Vec<ContentSource> {
    let mut seen = HashSet::new();
    let own_address = own_address.map(canonical);
    sources
        .into_iter()
        .map(|source| ContentSource { address: canonical(source.address), ..source })
        .filter(|source| {
            source.node != own && Some(source.address) != own_address && is_dialable(source.address)
        })
        .filter(|source| seen.insert(source.node))
        .collect()
}

#[cfg(test)]
mod tests {
    use protocol::index::Share;

    use super::*;

    const US: NodeId = NodeId::from_bytes([0; 32]);

    fn source(node: u8, address: &str) -> ContentSource {
        ContentSource {
            node: NodeId::from_bytes([node; 32]),
            address: address.parse().unwrap(),
            share: Share::Complete,
        }
    }

    fn kept(address: &str) -> usize {
        dialable_sources(vec![source(1, address)], US, Some("10.0.0.1:7".parse().unwrap())).len()
    }

    #[test]
    fn undialable_addresses_are_dropped() {
        let bad = [
            "10.0.0.2:0",
            "0.0.0.0:7",
            "0.1.2.3:7",
            "224.0.0.1:7",
            "255.255.255.255:7",
            "[::]:7",
            "[ff02::1]:7",
            "[::ffff:224.0.0.1]:7",
            "[::ffff:255.255.255.255]:7",
        ];
        for address in bad {
            assert_eq!(kept(address), 0, "{address}");
        }
        for address in ["10.0.0.2:7", "127.0.0.1:7", "[::1]:7", "[2001:db8::1]:7", "10.0.0.1:8"] {
            assert_eq!(kept(address), 1, "{address}");
        }
    }

    #[test]
    fn own_address_and_id_are_dropped() {
        assert_eq!(kept("10.0.0.1:7"), 0);
        assert_eq!(kept("[::ffff:10.0.0.1]:7"), 0);
        assert_eq!(dialable_sources(vec![source(0, "10.0.0.9:7")], US, None), []);
    }

    #[test]
    fn duplicate_sources_are_dropped() {
        let sources = vec![source(1, "10.0.0.2:7"), source(1, "10.0.0.3:7"), source(2, "10.0.0.4:7")];
        assert_eq!(dialable_sources(sources, US, None), [source(1, "10.0.0.2:7"), source(2, "10.0.0.4:7")]);
    }
}
