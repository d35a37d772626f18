//! Finding sources: the index is asked, and the nodes that are heard, and whoever they name is dialled.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use protocol::address_group::address_group;
use protocol::digest::Digest;
use protocol::index::{ContentSource, NodeAddress};
use protocol::limits::{MAX_SOURCES, MAX_STATES};
use protocol::node_id::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Finder;
use crate::native::{ContentRequest, Links, PeerDialError, SourceEvent};
use swarm::{SourceId, SourceIds};

/// How many sources are dialled at once. Whenever none of those answers for [`SLOW_DIAL`], as many again are dialled beside them: many
/// listed sources may accept connections and never answer.
const DIAL_BATCH: usize = 32;
const SLOW_DIAL: Duration = Duration::from_millis(500);

/// The most dials in progress, however many of them are slow: each takes a descriptor.
const MAX_DIALS: usize = 8 * DIAL_BATCH;

/// How many of the peers that are dialled first are asked for their manifest along with the content, so that it is here a round trip
/// earlier; one of them may not answer, and each answer can take 128 KiB.
const EARLY_MANIFEST_REQUESTS: usize = 2;

/// What a search for sources comes upon. Those that are reached report themselves by [`SourceEvent::Opened`].
#[derive(Debug)]
pub(crate) enum SearchEvent {
    /// So many are known.
    Located(usize),
    /// One could not be connected.
    Unreachable { node: NodeId, address: SocketAddr, error: PeerDialError },
    /// Nobody could be asked.
    IndexFailed(String),
    /// Everybody was tried.
    Finished,
}

/// The sources that were tried before and are not connected.
#[derive(Debug, Default)]
pub(crate) struct TriedSources {
    nodes: HashSet<NodeId>,
    /// See [`address_group`].
    addresses: HashSet<IpAddr>,
}

impl TriedSources {
    pub(crate) fn add(&mut self, node: NodeId, address: SocketAddr) {
        self.nodes.insert(node);
        self.addresses.insert(address_group(address.ip()));
    }

    /// Returns the order in which sources are dialled: new addresses first, then new nodes of known addresses.
    fn dial_order(&self, source: &ContentSource) -> (bool, bool) {
        (self.addresses.contains(&address_group(source.address.ip())), self.nodes.contains(&source.node))
    }
}

/// A round of looking for sources.
#[derive(Debug)]
pub(crate) struct SearchRound {
    pub(crate) finder: Finder,
    pub(crate) links: Links,
    pub(crate) digest: Digest,
    /// Those that are left alone.
    pub(crate) skip: HashSet<NodeId>,
    /// Those that were tried before: they come last.
    pub(crate) tried: TriedSources,
    /// Numbers the sources.
    pub(crate) ids: SourceIds,
    /// Where the events of sources go.
    pub(crate) events: mpsc::Sender<(SourceId, SourceEvent)>,
    /// Whether a manifest is still needed.
    pub(crate) needs_manifest: bool,
    pub(crate) search_events: mpsc::Sender<SearchEvent>,
}

impl SearchRound {
    /// Looks for sources once. Those that came with a search are dialled while the index is asked for more.
    pub(crate) async fn run(mut self) {
        let mut dials = JoinSet::new();
        self.dial_all(&mut dials, self.finder.hinted_sources(&self.digest)).await;
        match self.finder.locate(self.digest, MAX_SOURCES).await {
            Ok(sources) => {
                let _ = self.search_events.send(SearchEvent::Located(sources.len())).await;
                self.dial_all(&mut dials, sources).await;
            }
            Err(error) => {
                let _ = self.search_events.send(SearchEvent::IndexFailed(error.to_string())).await;
            }
        }
        while dials.join_next().await.is_some() {}
        let _ = self.search_events.send(SearchEvent::Finished).await;
    }

    /// Dials those who were not dialled yet, some at a time.
    async fn dial_all(&mut self, dials: &mut JoinSet<()>, mut sources: Vec<ContentSource>) {
        sources.sort_by_key(|source| self.tried.dial_order(source));
        let (dialled, mut window) = (self.skip.len(), DIAL_BATCH);
        for ContentSource { node, address, .. } in sources {
            if !self.skip.insert(node) {
                continue;
            }
            while dials.len() >= window {
                if window >= MAX_DIALS {
                    dials.join_next().await;
                } else if timeout(SLOW_DIAL, dials.join_next()).await.is_err() {
                    window += DIAL_BATCH;
                }
            }
            let is_early = self.needs_manifest && self.skip.len() - dialled <= EARLY_MANIFEST_REQUESTS;
            let states = if is_early { MAX_STATES } else { 0 };
            let asking = ContentRequest {
                digest: self.digest,
                source: self.ids.next(),
                events: self.events.clone(),
                states,
            };
            let (links, finder) = (self.links.clone(), self.finder.clone());
            dials.spawn(dial((links, finder), (node, address), asking, self.search_events.clone()));
        }
    }
}

async fn dial(
    (links, finder): (Links, Finder),
    (node, address): (NodeId, SocketAddr),
    request: ContentRequest,
    sightings: mpsc::Sender<SearchEvent>,
) {
    if let Err(error) = links.open(node, address, &request).await {
        if error.is_peer_unreachable() {
            finder.report_unreachable(NodeAddress { node, address });
        }
        let _ = sightings.send(SearchEvent::Unreachable { node, address, error }).await;
    }
}

#[cfg(test)]
mod tests {
    use protocol::index::Share;

    use super::*;

    #[test]
    fn new_addresses_are_dialled_before_new_keys() {
        let source = |node: u8, address: &str| ContentSource {
            node: NodeId::from_bytes([node; 32]),
            address: address.parse().unwrap(),
            share: Share::Complete,
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
