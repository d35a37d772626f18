//! The peers that have been on the screen, and the ways to name one.

use std::net::SocketAddr;

use protocol::index::PeerRef;
use protocol::node_id::NodeId;

use crate::operations::{KnownNode, PeerName, PeerProblem, SourceRow};

/// The maximum number of remembered peers.
const MAX_SEEN: usize = 1000;

/// A text that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerLookupError {
    /// The last list of sources does not have the number.
    #[error("the last list has no source {number}; it has {last}")]
    NoSuchSource {
        /// The typed number.
        number: String,
        /// The length of the list.
        last: usize,
    },
    /// A folder was named without its peer, and no peer was browsed before.
    #[error("no peer for this folder; browse a peer first, or add `from PEER`")]
    NoBrowsedPeer,
    /// The text has no form that names peers, or names several.
    #[error(transparent)]
    Name(#[from] PeerProblem),
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
    pub(crate) fn set_sources(&mut self, sources: &[SourceRow]) {
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

    /// Resolves what is on the screen in the name of a peer: a number of the last sources, or the first digits of an id.
    pub(crate) fn find(&self, text: &str) -> Result<PeerName, PeerLookupError> {
        // An address or a whole id of digits only is no number.
        let name = PeerName::parse(text);
        if let Ok(PeerName::Peer(_)) = name {
            return Ok(name?);
        }
        if let Ok(number) = text.parse::<usize>()
            && let Some(node) = number.checked_sub(1).and_then(|at| self.sources.get(at))
        {
            return Ok(PeerName::Peer(PeerRef::Node(*node)));
        }
        match name {
            Ok(PeerName::NodeIdPrefix(digits)) => self.find_seen(digits),
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(PeerLookupError::NoSuchSource { number: text.to_owned(), last: self.sources.len() })
            }
            name => Ok(name?),
        }
    }

    /// Returns the only seen node whose id begins with the digits; the digits if no such node has been seen.
    fn find_seen(&self, digits: String) -> Result<PeerName, PeerLookupError> {
        let prefix = digits.to_ascii_lowercase();
        let matching = self.seen.iter().filter(|(node, _)| node.to_string().starts_with(&prefix));
        let candidates: Vec<KnownNode> =
            matching.map(|&(node, address)| KnownNode { node, address }).collect();
        match candidates.as_slice() {
            [only] => Ok(PeerName::Peer(PeerRef::Node(only.node))),
            [] => Ok(PeerName::NodeIdPrefix(digits)),
            _ => Err(PeerProblem::AmbiguousNodeId { digits, candidates }.into()),
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
    use crate::frontend::repl::command_error::CommandError;

    fn source(node: [u8; 2], port: u16) -> SourceRow {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&node);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        SourceRow { node: NodeId::from_bytes(bytes), address, share: Share::Complete }
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
        assert_eq!(peers.find("abc0"), Ok(PeerName::NodeIdPrefix("abc0".into())));
        let invalid = PeerProblem::Invalid { text: "nobody".into() };
        assert_eq!(peers.find("nobody"), Err(invalid.into()));
        let mut many = peers;
        many.set_sources(&[source([0xab, 0xcd], 1), {
            let mut other = source([0xab, 0xcd], 3);
            other.node = NodeId::from_bytes([0xab; 32]);
            other
        }]);
        assert_eq!(many.find("abab").map(|_| ()), Ok(()));
        let ambiguous = many.find("ab").map(|_| ()).unwrap_err();
        assert!(matches!(ambiguous, PeerLookupError::Name(PeerProblem::Invalid { .. })), "{ambiguous}");
        many.set_sources(&[source([0xab, 0xcd], 1), {
            let mut other = source([0xab, 0xcd], 4);
            other.node = NodeId::from_bytes([[0xab, 0xcd, 1, 0].repeat(8).try_into().unwrap()][0]);
            other
        }]);
        let ambiguous = CommandError::from(many.find("abcd").unwrap_err()).to_string();
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
