//! Searches for sources: asks the index and the LAN, and dials the nodes they name.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use protocol::address_group::address_group;
use protocol::digest::Digest;
use protocol::index::NodeAddress;
use protocol::limits::{MAX_SOURCES, MAX_STATES};
use protocol::node_id::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Finder;
use crate::discovery::peer_event::{PeerContact, PeerEvent};
use crate::native::{ContentRequest, Links, PeerDialError, SourceEvent};
use crate::view::ContentId;
use swarm::{SourceId, SourceIds};

/// Number of sources dialled at once. Whenever no dial ends for [`SLOW_DIAL`], as many again are started: many listed sources may accept
/// connections and never answer.
const DIAL_BATCH: usize = 32;
const SLOW_DIAL: Duration = Duration::from_millis(500);

/// Maximum number of dials in progress, slow ones included: each takes a file descriptor.
const MAX_DIALS: usize = 8 * DIAL_BATCH;

/// Number of first-dialled peers that are asked for their manifest together with the content, which saves a round trip. One
/// may not answer, and each answer can take 128 KiB.
const EARLY_MANIFEST_REQUESTS: usize = 2;

/// An event of a search. Sources that were reached report themselves by [`SourceEvent::Opened`].
#[derive(Debug)]
pub(crate) enum SearchEvent {
    /// The number of sources located.
    Located(usize),
    /// A source could not be connected.
    Unreachable { node: NodeId, address: SocketAddr, error: PeerDialError },
    /// The search could not query the index.
    IndexFailed(String),
    /// All sources have been tried.
    Finished,
}

/// Sources that were tried before and are not connected.
#[derive(Debug, Default)]
pub(crate) struct TriedSources {
    nodes: HashSet<NodeId>,
    /// Address groups, see [`address_group`].
    addresses: HashSet<IpAddr>,
}

impl TriedSources {
    pub(crate) fn add(&mut self, node: NodeId, address: SocketAddr) {
        self.nodes.insert(node);
        self.addresses.insert(address_group(address.ip()));
    }

    /// Returns a sort key for dialling: new addresses first, then new nodes at known addresses.
    fn dial_order(&self, source: &NodeAddress) -> (bool, bool) {
        (self.addresses.contains(&address_group(source.address.ip())), self.nodes.contains(&source.node))
    }
}

/// One round of searching for sources.
#[derive(Debug)]
pub(crate) struct SearchRound {
    pub(crate) finder: Finder,
    pub(crate) links: Links,
    pub(crate) digest: Digest,
    /// Nodes that must not be dialled.
    pub(crate) skip: HashSet<NodeId>,
    /// Sources that were tried before; they are dialled last.
    pub(crate) tried: TriedSources,
    /// Allocates source ids.
    pub(crate) ids: SourceIds,
    /// Receives the events of sources.
    pub(crate) events: mpsc::Sender<(SourceId, SourceEvent)>,
    /// Whether a manifest is still needed.
    pub(crate) needs_manifest: bool,
    pub(crate) search_events: mpsc::Sender<SearchEvent>,
}

impl SearchRound {
    /// Searches for sources once. Sources hinted at by an earlier search are dialled while the index is asked for more.
    pub(crate) async fn run(self) {
        let (mut dials, mut dialled) = (JoinSet::new(), HashSet::new());
        self.dial_all(&mut dials, &mut dialled, self.finder.hinted_sources(&self.digest)).await;
        match self.finder.discover(self.digest, MAX_SOURCES).await {
            Ok(sources) => {
                let _ = self.search_events.send(SearchEvent::Located(sources.len())).await;
                self.dial_all(&mut dials, &mut dialled, sources).await;
            }
            Err(error) => {
                let _ = self.search_events.send(SearchEvent::IndexFailed(error.to_string())).await;
            }
        }
        while dials.join_next().await.is_some() {}
        let _ = self.search_events.send(SearchEvent::Finished).await;
    }

    /// Returns the node of an event about the content.
    fn dialable(&self, event: PeerEvent) -> Option<NodeAddress> {
        debug_assert_eq!(event.content, ContentId::File(self.digest), "an event about another content");
        match event.contact {
            PeerContact::Node(node) => {
                tracing::trace!(address = %node.address, origin = ?event.origin, "source found");
                Some(node)
            }
            // The clients of a torrent are dialled by its session.
            PeerContact::Client(_) => None,
        }
    }

    /// Dials the nodes that have not been dialled at their address yet, at most `MAX_DIALS` at a time. A hint may name an address
    /// that a node has left, so the one that the index names is dialled too.
    async fn dial_all(
        &self,
        dials: &mut JoinSet<()>,
        dialled: &mut HashSet<(NodeId, SocketAddr)>,
        found: Vec<PeerEvent>,
    ) {
        let mut sources: Vec<NodeAddress> =
            found.into_iter().filter_map(|event| self.dialable(event)).collect();
        sources.sort_by_key(|source| self.tried.dial_order(source));
        let (before, mut window) = (dialled.len(), DIAL_BATCH);
        for NodeAddress { node, address } in sources {
            if self.skip.contains(&node) || !dialled.insert((node, address)) {
                continue;
            }
            while dials.len() >= window {
                if window >= MAX_DIALS {
                    dials.join_next().await;
                } else if timeout(SLOW_DIAL, dials.join_next()).await.is_err() {
                    window += DIAL_BATCH;
                }
            }
            let is_early = self.needs_manifest && dialled.len() - before <= EARLY_MANIFEST_REQUESTS;
            let states = if is_early { MAX_STATES } else { 0 };
            let request = ContentRequest {
                digest: self.digest,
                source: self.ids.next(),
                events: self.events.clone(),
                states,
            };
            let (links, finder) = (self.links.clone(), self.finder.clone());
            dials.spawn(dial((links, finder), (node, address), request, self.search_events.clone()));
        }
    }
}

async fn dial(
    (links, finder): (Links, Finder),
    (node, address): (NodeId, SocketAddr),
    request: ContentRequest,
    search_events: mpsc::Sender<SearchEvent>,
) {
    if let Err(error) = links.open(node, address, &request).await {
        if error.is_peer_unreachable() {
            finder.report_unreachable(NodeAddress { node, address });
        }
        let _ = search_events.send(SearchEvent::Unreachable { node, address, error }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_addresses_are_dialled_before_new_keys() {
        let source = |node: u8, address: &str| NodeAddress {
            node: NodeId::from_bytes([node; 32]),
            address: address.parse().unwrap(),
        };
        let mut tried = TriedSources::default();
        tried.add(NodeId::from_bytes([1; 32]), "192.0.2.1:1".parse().unwrap());
        let mut sources = [
            source(1, "192.0.2.1:1"),
            source(2, "192.0.2.1:2"),
            source(3, "198.51.100.1:1"),
            source(1, "198.51.100.2:1"),
        ];
        sources.sort_by_key(|source| tried.dial_order(source));
        let order = sources.map(|source| source.address.to_string());
        assert_eq!(order, ["198.51.100.1:1", "198.51.100.2:1", "192.0.2.1:2", "192.0.2.1:1"]);
    }
}
