//! Which peers have been on the screen, and how a person names one.

use std::net::SocketAddr;

use super::failure::listed;
use protocol::escape::excerpt;
use protocol::index::{PeerRef, Source};
use protocol::node_id::NodeId;

/// The most peers that are remembered.
const MAX_SEEN: usize = 1000;

/// The fewest digits of a node id that name a node.
const MIN_DIGITS: usize = 4;

/// What a person named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// A peer.
    Peer(PeerRef),
    /// A host whose address must be asked for.
    Host(String),
}

/// A text that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPeer {
    /// It looks like nothing that names peers.
    #[error("{text} is no peer; write HOST:PORT, a node id, or a number of the last sources")]
    Unclear {
        /// What was typed, display-safe.
        text: String,
    },
    /// The last list of sources does not have that number.
    #[error("there is no source {number} in the last list; it has {last}")]
    NoSource {
        /// The number.
        number: String,
        /// How many there are.
        last: usize,
    },
    /// No node that was seen begins like this.
    #[error("no node that is there has an id that begins with {text}")]
    Unseen {
        /// What was typed.
        text: String,
    },
    /// More than one does.
    #[error("{} node ids begin with {text}; write more of it:{}", candidates.len(), listed(candidates))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// Each id with its address.
        candidates: Vec<String>,
    },
    /// A host has no address.
    #[error("cannot find {host}: {reason}")]
    NoHost {
        /// What was typed, display-safe.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// No peer was browsed that could be meant.
    #[error("whose folder? browse a peer first, or write from PEER behind it")]
    NotBrowsed,
}

/// The peers of the last list of sources, and all that were seen before.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    listed: Vec<NodeId>,
    seen: Vec<(NodeId, Option<SocketAddr>)>,
    browsed: Option<NodeId>,
}

impl Peers {
    /// Remembers a list of sources, numbered from 1.
    pub(crate) fn list(&mut self, sources: &[Source]) {
        self.listed = sources.iter().map(|source| source.node).collect();
        for source in sources {
            self.see(source.node, Some(source.address));
        }
    }

    /// Remembers the peer whose files were listed last.
    pub(crate) fn browse(&mut self, node: NodeId, address: Option<SocketAddr>) {
        self.browsed = Some(node);
        self.see(node, address);
    }

    /// Returns the peer whose files were listed last.
    pub(crate) fn browsed(&self) -> Result<PeerRef, NoPeer> {
        self.browsed.map(PeerRef::Node).ok_or(NoPeer::NotBrowsed)
    }

    /// Goes through the addresses that were seen.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.seen.iter().filter_map(|(_, address)| *address)
    }

    /// Returns where a node was last seen to listen.
    pub(crate) fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        self.seen.iter().find(|(seen, _)| *seen == node).and_then(|(_, address)| *address)
    }

    /// Finds out which peer a text names.
    pub(crate) fn find(&self, text: &str) -> Result<Named, NoPeer> {
        if let Ok(address) = text.parse() {
            return Ok(Named::Peer(PeerRef::Address(address)));
        }
        if let Ok(node) = text.parse() {
            return Ok(Named::Peer(PeerRef::Node(node)));
        }
        if let Ok(number) = text.parse::<usize>()
            && let Some(node) = number.checked_sub(1).and_then(|at| self.listed.get(at))
        {
            return Ok(Named::Peer(PeerRef::Node(*node)));
        }
        if text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return Ok(Named::Host(text.to_owned()));
        }
        self.find_by_beginning(text).map(|node| Named::Peer(PeerRef::Node(node)))
    }

    fn find_by_beginning(&self, text: &str) -> Result<NodeId, NoPeer> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || text.len() < MIN_DIGITS {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            return Err(if is_number {
                NoPeer::NoSource { number: text.to_owned(), last: self.listed.len() }
            } else {
                NoPeer::Unclear { text: excerpt(text) }
            });
        }
        let beginning = text.to_ascii_lowercase();
        let text = excerpt(text);
        let fitting: Vec<_> =
            self.seen.iter().filter(|(node, _)| node.to_string().starts_with(&beginning)).collect();
        match fitting.as_slice() {
            [(node, _)] => Ok(*node),
            [] => Err(NoPeer::Unseen { text }),
            several => {
                let candidate = |(node, address): &&(NodeId, Option<SocketAddr>)| match address {
                    Some(address) => format!("{node}  {address}"),
                    None => node.to_string(),
                };
                let candidates = several.iter().map(candidate).collect();
                Err(NoPeer::Ambiguous { text, candidates })
            }
        }
    }

    /// Remembers a peer, and where it listens.
    pub(crate) fn see(&mut self, node: NodeId, address: Option<SocketAddr>) {
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

    fn source(node: [u8; 2], port: u16) -> Source {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&node);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Source { node: NodeId::from_bytes(bytes), address, share: Share::Whole }
    }

    fn peers() -> Peers {
        let mut peers = Peers::default();
        peers.list(&[source([0xab, 0xcd], 1), source([0xab, 0xce], 2)]);
        peers
    }

    fn node(named: Result<Named, NoPeer>) -> NodeId {
        match named {
            Ok(Named::Peer(PeerRef::Node(node))) => node,
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
        assert_eq!(peers.find("127.0.0.1:7"), Ok(Named::Peer(PeerRef::Address(address))));
        assert_eq!(peers.find("localhost:7"), Ok(Named::Host("localhost:7".into())));
    }

    #[test]
    fn what_names_nobody_is_told() {
        let peers = peers();
        assert_eq!(peers.find("3"), Err(NoPeer::NoSource { number: "3".into(), last: 2 }));
        assert_eq!(peers.find("0"), Err(NoPeer::NoSource { number: "0".into(), last: 2 }));
        assert_eq!(peers.find("abc0"), Err(NoPeer::Unseen { text: "abc0".into() }));
        assert_eq!(peers.find("nobody"), Err(NoPeer::Unclear { text: "nobody".into() }));
        let mut many = peers;
        many.list(&[source([0xab, 0xcd], 1), {
            let mut other = source([0xab, 0xcd], 3);
            other.node = NodeId::from_bytes([0xab; 32]);
            other
        }]);
        assert_eq!(many.find("abab").map(|_| ()), Ok(()));
        let ambiguous = many.find("ab").map(|_| ()).unwrap_err();
        assert!(matches!(ambiguous, NoPeer::Unclear { .. }), "{ambiguous}");
        many.list(&[source([0xab, 0xcd], 1), {
            let mut other = source([0xab, 0xcd], 4);
            other.node = NodeId::from_bytes([[0xab, 0xcd, 1, 0].repeat(8).try_into().unwrap()][0]);
            other
        }]);
        let ambiguous = many.find("abcd").unwrap_err().to_string();
        assert!(ambiguous.starts_with("2 node ids begin with abcd; write more of it:\n  "), "{ambiguous}");
        assert!(ambiguous.contains("  127.0.0.1:4"), "{ambiguous}");
        assert_eq!(many.browsed(), Err(NoPeer::NotBrowsed));
    }

    #[test]
    fn the_latest_address_of_a_node_counts() {
        let mut peers = peers();
        peers.list(&[source([0xab, 0xcd], 9)]);
        peers.browse(source([0xab, 0xcd], 9).node, None);
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
