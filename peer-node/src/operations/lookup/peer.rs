use std::time::Duration;

use protocol::index::PeerRef;

use crate::operations::Operations;
use crate::operations::problem::PeerProblem;
use crate::operations::sources::KnownNode;

/// Maximum time for resolving a host name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The minimum number of digits that name a node by its id.
const MIN_NODE_ID_DIGITS: usize = 4;

/// A peer as named in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerName {
    /// A node id or an address.
    Peer(PeerRef),
    /// A host and port whose address must be resolved.
    Host(String),
    /// The first digits of a node id.
    NodeIdPrefix(String),
}

impl PeerName {
    /// Parses an address, a node id, `HOST:PORT` or the beginning of a node id.
    pub(crate) fn parse(text: &str) -> Result<Self, PeerProblem> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Peer(PeerRef::Address(address)));
        }
        if let Ok(node) = text.parse() {
            return Ok(Self::Peer(PeerRef::Node(node)));
        }
        if text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return Ok(Self::Host(text.to_owned()));
        }
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || text.len() < MIN_NODE_ID_DIGITS {
            return Err(PeerProblem::Invalid { text: text.into() });
        }
        Ok(Self::NodeIdPrefix(text.to_owned()))
    }
}

impl Operations {
    /// Returns the peer of a name. Resolving a host takes up to 5 seconds; the beginning of an id is looked up at the index.
    pub(crate) async fn find_peer(&self, name: PeerName) -> Result<PeerRef, PeerProblem> {
        match name {
            PeerName::Peer(peer) => Ok(peer),
            PeerName::Host(host) => resolve_host(&host).await,
            PeerName::NodeIdPrefix(digits) => Ok(PeerRef::Node(self.find_node(digits).await?.node)),
        }
    }

    /// Looks for the node at the index and on the local network whose id begins with the given digits.
    pub(crate) async fn find_node(&self, digits: String) -> Result<KnownNode, PeerProblem> {
        let found = self.node.finder().find_nodes(digits.to_ascii_lowercase()).await;
        let nodes = found.into_iter().map(|node| KnownNode { node: node.node, address: Some(node.address) });
        only_node(digits, nodes.collect())
    }
}

/// Returns the only node that was found for the digits.
fn only_node(digits: String, mut nodes: Vec<KnownNode>) -> Result<KnownNode, PeerProblem> {
    match nodes.as_slice() {
        [] => Err(PeerProblem::UnknownNodeId { digits }),
        [only] => Ok(*only),
        _ => {
            nodes.sort_unstable();
            Err(PeerProblem::AmbiguousNodeId { digits, candidates: nodes })
        }
    }
}

async fn resolve_host(host: &str) -> Result<PeerRef, PeerProblem> {
    let no_host = |reason: String| PeerProblem::HostNotFound { host: host.into(), reason };
    let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(host)).await;
    let mut addresses = found
        .map_err(|_| no_host(format!("no answer within {} s", RESOLVE_TIMEOUT.as_secs())))?
        .map_err(|error| no_host(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| no_host("the host has no address".to_owned()))?;
    Ok(PeerRef::Address(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::node_id::NodeId;

    use super::*;

    fn node(first: u8, port: u16) -> KnownNode {
        KnownNode { node: NodeId::from_bytes([first; 32]), address: Some(([127, 0, 0, 1], port).into()) }
    }

    #[test]
    fn peers_are_named_in_many_ways() {
        let address = "127.0.0.1:7".parse().unwrap();
        assert_eq!(PeerName::parse("127.0.0.1:7"), Ok(PeerName::Peer(PeerRef::Address(address))));
        assert_eq!(PeerName::parse("localhost:7"), Ok(PeerName::Host("localhost:7".into())));
        let id = node(0xab, 1).node;
        assert_eq!(PeerName::parse(&id.to_string()), Ok(PeerName::Peer(PeerRef::Node(id))));
        assert_eq!(PeerName::parse("ABCE"), Ok(PeerName::NodeIdPrefix("ABCE".into())));
        for text in ["abc", "nobody", "", ":7", "host:x"] {
            assert_eq!(PeerName::parse(text), Err(PeerProblem::Invalid { text: text.into() }), "{text}");
        }
    }

    #[test]
    fn beginning_of_an_id_must_name_one_node() {
        let digits = || "abab".to_owned();
        assert_eq!(only_node(digits(), vec![]), Err(PeerProblem::UnknownNodeId { digits: digits() }));
        assert_eq!(only_node(digits(), vec![node(1, 1)]), Ok(node(1, 1)));
        let candidates = vec![node(1, 1), node(2, 2)];
        assert_eq!(
            only_node(digits(), vec![node(2, 2), node(1, 1)]),
            Err(PeerProblem::AmbiguousNodeId { digits: digits(), candidates })
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = PeerName::parse(&text);
        }
    }
}
