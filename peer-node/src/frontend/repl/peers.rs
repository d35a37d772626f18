//! The peers that have been on the screen, and the ways to name one.

use std::net::SocketAddr;

use super::command_error::candidate_lines;
use protocol::escape::excerpt;
use protocol::index::{ContentSource, PeerRef};
use protocol::node_id::NodeId;

/// The maximum number of remembered peers.
const MAX_SEEN: usize = 1000;

/// The minimum number of digits that name a node by its id.
const MIN_NODE_ID_DIGITS: usize = 4;

/// A peer as named by the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerName {
    /// A known node or address.
    Peer(PeerRef),
    /// A host whose address must be resolved.
    Host(String),
}

/// A text that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerLookupError {
    /// The text has no form that names peers.
    #[error("{text} is not a peer; expected HOST:PORT, a node id, or a number from the last `sources`")]
    Invalid {
        /// The typed text, display-safe.
        text: String,
    },
    /// The last list of sources does not have the number.
    #[error("the last list has no source {number}; it has {last}")]
    NoSuchSource {
        /// The typed number.
        number: String,
        /// The length of the list.
        last: usize,
    },
    /// No known node id begins with the digits.
    #[error("no online node has an id that begins with {text}")]
    UnknownNodeId {
        /// The typed digits.
        text: String,
    },
    /// Several node ids begin with the digits.
    #[error("{} node ids begin with {text}; type more digits:{}", candidates.len(), candidate_lines(candidates))]
    Ambiguous {
        /// The typed digits.
        text: String,
        /// Each id with its address.
        candidates: Vec<String>,
    },
    /// A host cannot be resolved.
    #[error("cannot find {host}: {reason}")]
    HostNotFound {
        /// The typed host, display-safe.
        host: String,
        /// The error of the system.
        reason: String,
    },
    /// A folder was named without its peer, and no peer was browsed before.
    #[error("no peer for this folder; browse a peer first, or add `from PEER`")]
    NoBrowsedPeer,
}

/// The peers of the last list of sources, and those seen before.
#[derive(Debug, Default)]
pub(crate) struct SeenPeers {
    sources: Vec<NodeId>,
    seen: Vec<(NodeId, Option<SocketAddr>)>,
    browsed: Option<NodeId>,
}

impl SeenPeers {
    /// Remembers a list of sources, numbered from 1.
    pub(crate) fn set_sources(&mut self, sources: &[ContentSource]) {
        self.sources = sources.iter().map(|source| source.node).collect();
        for source in sources {
            self.remember(source.node, Some(source.address));
        }
    }

    /// Remembers the peer whose files were listed last.
    pub(crate) fn set_browsed(&mut self, node: NodeId, address: Option<SocketAddr>) {
        self.browsed = Some(node);
        self.remember(node, address);
    }

    /// Returns the peer whose files were listed last.
    pub(crate) fn browsed(&self) -> Result<PeerRef, PeerLookupError> {
        self.browsed.map(PeerRef::Node).ok_or(PeerLookupError::NoBrowsedPeer)
    }

    /// Returns the known addresses, the latest first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.seen.iter().filter_map(|(_, address)| *address)
    }

    /// Returns the last known listening address of a node.
    pub(crate) fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        self.seen.iter().find(|(seen, _)| *seen == node).and_then(|(_, address)| *address)
    }

    /// Resolves the peer that a text names.
    pub(crate) fn find(&self, text: &str) -> Result<PeerName, PeerLookupError> {
        if let Ok(address) = text.parse() {
            return Ok(PeerName::Peer(PeerRef::Address(address)));
        }
        if let Ok(node) = text.parse() {
            return Ok(PeerName::Peer(PeerRef::Node(node)));
        }
        if let Ok(number) = text.parse::<usize>()
            && let Some(node) = number.checked_sub(1).and_then(|at| self.sources.get(at))
        {
            return Ok(PeerName::Peer(PeerRef::Node(*node)));
        }
        if text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return Ok(PeerName::Host(text.to_owned()));
        }
        self.find_by_prefix(text).map(|node| PeerName::Peer(PeerRef::Node(node)))
    }

    fn find_by_prefix(&self, text: &str) -> Result<NodeId, PeerLookupError> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || text.len() < MIN_NODE_ID_DIGITS {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            return Err(if is_number {
                PeerLookupError::NoSuchSource { number: text.to_owned(), last: self.sources.len() }
            } else {
                PeerLookupError::Invalid { text: excerpt(text) }
            });
        }
        let prefix = text.to_ascii_lowercase();
        let text = excerpt(text);
        let matching: Vec<_> =
            self.seen.iter().filter(|(node, _)| node.to_string().starts_with(&prefix)).collect();
        match matching.as_slice() {
            [(node, _)] => Ok(*node),
            [] => Err(PeerLookupError::UnknownNodeId { text }),
            several => {
                let candidate = |(node, address): &&(NodeId, Option<SocketAddr>)| match address {
                    Some(address) => format!("{node}  {address}"),
                    None => node.to_string(),
                };
                let candidates = several.iter().map(candidate).collect();
                Err(PeerLookupError::Ambiguous { text, candidates })
            }
        }
    }

    /// Remembers a peer and its address; without one, the last known address is kept.
    pub(crate) fn remember(&mut self, node: NodeId, address: Option<SocketAddr>) {
        let known = self.seen.iter().position(|(seen, _)| *seen == node);
        let before = known.and_then(|at| self.seen.remove(at).1);
        self.seen.insert(0, (node, address.or(before)));
        self.seen.truncate(MAX_SEEN);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::index::Share;

    use super::*;

    fn source(node: [u8; 2], port: u16) -> ContentSource {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&node);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        ContentSource { node: NodeId::from_bytes(bytes), address, share: Share::Complete }
    }

    fn peers() -> SeenPeers {
        let mut peers = SeenPeers::default();
        peers.set_sources(&[source([0xab, 0xcd], 1), source([0xab, 0xce], 2)]);
        peers
    }

    fn node(named: Result<PeerName, PeerLookupError>) -> NodeId {
        match named {
            Ok(PeerName::Peer(PeerRef::Node(node))) => node,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn peers_are_named_in_many_ways() {
        let peers = peers();
        let (one, two) = (source([0xab, 0xcd], 1).node, source([0xab, 0xce], 2).node);
        assert_eq!(node(peers.find("1")), one);
        assert_eq!(node(peers.find("ABCE")), two);
        assert_eq!(node(peers.find(&one.to_string())), one);
        let address = "127.0.0.1:7".parse().unwrap();
        assert_eq!(peers.find("127.0.0.1:7"), Ok(PeerName::Peer(PeerRef::Address(address))));
        assert_eq!(peers.find("localhost:7"), Ok(PeerName::Host("localhost:7".into())));
    }

    #[test]
    fn unknown_peers_are_rejected() {
        let peers = peers();
        assert_eq!(peers.find("3"), Err(PeerLookupError::NoSuchSource { number: "3".into(), last: 2 }));
        assert_eq!(peers.find("0"), Err(PeerLookupError::NoSuchSource { number: "0".into(), last: 2 }));
        assert_eq!(peers.find("abc0"), Err(PeerLookupError::UnknownNodeId { text: "abc0".into() }));
        assert_eq!(peers.find("nobody"), Err(PeerLookupError::Invalid { text: "nobody".into() }));
        let mut many = peers;
        many.set_sources(&[source([0xab, 0xcd], 1), {
            let mut other = source([0xab, 0xcd], 3);
            other.node = NodeId::from_bytes([0xab; 32]);
            other
        }]);
        assert_eq!(many.find("abab").map(|_| ()), Ok(()));
        let ambiguous = many.find("ab").map(|_| ()).unwrap_err();
        assert!(matches!(ambiguous, PeerLookupError::Invalid { .. }), "{ambiguous}");
        many.set_sources(&[source([0xab, 0xcd], 1), {
            let mut other = source([0xab, 0xcd], 4);
            other.node = NodeId::from_bytes([[0xab, 0xcd, 1, 0].repeat(8).try_into().unwrap()][0]);
            other
        }]);
        let ambiguous = many.find("abcd").unwrap_err().to_string();
        assert!(ambiguous.starts_with("2 node ids begin with abcd; type more digits:\n  "), "{ambiguous}");
        assert!(ambiguous.contains("  127.0.0.1:4"), "{ambiguous}");
        assert_eq!(many.browsed(), Err(PeerLookupError::NoBrowsedPeer));
    }

    #[test]
    fn the_latest_address_of_a_node_counts() {
        let mut peers = peers();
        peers.set_sources(&[source([0xab, 0xcd], 9)]);
        peers.set_browsed(source([0xab, 0xcd], 9).node, None);
        let ports: Vec<u16> = peers.addresses().map(|address| address.port()).collect();
        assert_eq!(ports, [9, 2]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = peers().find(&text);
        }
    }
}
