//! Peerdex nodes on the local network, discovered by announcements and searched directly.
//!
//! One task announces this node, another receives the announcements of others. [`Neighbours`] is the handle on both, and
//! searches the known nodes over the native dialect. An announcement is only a hint: its rate is limited by an
//! [`AddressRateLimiter`](crate::rate_limiter::AddressRateLimiter), the table is bounded, and only the source address is
//! trusted. Downloads from neighbours are verified like all others.

mod announcer;
mod browse;
mod receiver;
mod table;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::index::FileRecord;
use protocol::limits::{MAX_HITS, MAX_QUERY};
use protocol::node_id::NodeId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lan::LanSettings;
use crate::library::Library;
use crate::native::Links;
pub(crate) use browse::NeighbourBrowseError;
use table::NeighbourTable;

/// Maximum time for one node to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum time for all answers, so that many fabricated nodes cannot delay a search.
const ALL_ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of concurrent queries.
const MAX_CONCURRENT: usize = 16;

/// Configuration of the neighbour tasks.
#[derive(Debug, Clone)]
pub(crate) struct NeighboursConfig {
    /// Ports, interval and addresses.
    pub(crate) settings: LanSettings,
    /// Id of this node.
    pub(crate) node: NodeId,
    /// Port on which this node accepts peers.
    pub(crate) port: u16,
    /// The files to announce.
    pub(crate) library: Library,
    /// Links for searching other nodes.
    pub(crate) links: Links,
}

/// A node and the files that it reports to share.
#[derive(Debug)]
pub(crate) struct NeighbourFiles {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) files: Vec<FileRecord>,
}

/// A handle on the known nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Neighbours {
    shared: Arc<NeighboursState>,
}

#[derive(Debug)]
struct NeighboursState {
    config: NeighboursConfig,
    table: Mutex<NeighbourTable>,
    trouble: Mutex<NeighbourTrouble>,
}

/// Errors that prevent discovery.
#[derive(Debug, Default)]
struct NeighbourTrouble {
    /// Why this node cannot announce itself at the moment.
    announce_error: Option<String>,
    /// Why this node cannot receive announcements.
    receive_error: Option<String>,
}

impl Neighbours {
    /// Starts the tasks. If a port is unavailable, the node works without discovery and [`Neighbours::trouble`] reports the
    /// error.
    pub(crate) fn start(config: NeighboursConfig, tracker: &TaskTracker, cancel: &CancellationToken) -> Self {
        let lifetime = config.settings.lifetime();
        let shared = Arc::new(NeighboursState {
            config,
            table: Mutex::new(NeighbourTable::new(lifetime)),
            trouble: Mutex::default(),
        });
        let neighbours = Self { shared };
        let (announcing, receiving) =
            (neighbours.clone().announce(), neighbours.clone().receive_announcements());
        let (announce_cancel, receive_cancel) = (cancel.clone(), cancel.clone());
        tracker.spawn(async move { announce_cancel.run_until_cancelled(announcing).await });
        tracker.spawn(async move { receive_cancel.run_until_cancelled(receiving).await });
        neighbours
    }

    /// Returns the number of nodes that have recently announced themselves.
    pub(crate) fn count(&self) -> usize {
        self.shared.table.lock().count(Instant::now())
    }

    /// Returns the error that prevents this node from receiving announcements, if any.
    pub(crate) fn receive_error(&self) -> Option<String> {
        self.shared.trouble.lock().receive_error.clone()
    }

    /// Returns the error that prevents this node from announcing itself, if any.
    pub(crate) fn announce_error(&self) -> Option<String> {
        self.shared.trouble.lock().announce_error.clone()
    }

    /// Returns the nodes that have announced a content.
    pub(crate) fn sources_of(&self, digest: &Digest) -> Vec<(NodeId, SocketAddr)> {
        self.shared.table.lock().sources_of(digest, Instant::now())
    }

    /// Returns true if a node at this address has recently announced itself.
    pub(crate) fn contains(&self, address: &SocketAddr) -> bool {
        self.shared.table.lock().contains(address)
    }

    /// Searches all known nodes for files with matching names. Omits nodes that do not answer in time. A query longer than
    /// [`MAX_QUERY`] is not sent, because peers treat it as a violation. Cancel safe.
    pub(crate) async fn search(&self, query: &str, limit: u16) -> Vec<NeighbourFiles> {
        if query.len() > MAX_QUERY {
            return Vec::new();
        }
        let limit = limit.clamp(1, MAX_HITS);
        let nodes = self.shared.table.lock().queryable(Instant::now());
        let (permits, mut queries) = (Arc::new(Semaphore::new(MAX_CONCURRENT)), JoinSet::new());
        for (node, address) in nodes {
            let (neighbours, permits, query) = (self.clone(), Arc::clone(&permits), query.to_owned());
            queries.spawn(async move {
                let _permit = permits.acquire().await.ok()?;
                neighbours.search_one(node, address, &query, limit).await
            });
        }
        let mut found = Vec::new();
        let deadline = Instant::now() + ALL_ANSWERS_TIMEOUT;
        while let Ok(Some(answered)) = timeout_at(deadline.into(), queries.join_next()).await {
            found.extend(answered.ok().flatten());
        }
        found.sort_by_key(|found| found.node);
        found
    }

    async fn search_one(
        &self,
        node: NodeId,
        address: SocketAddr,
        query: &str,
        limit: u16,
    ) -> Option<NeighbourFiles> {
        let connecting = self.shared.config.links.get_or_connect(node, address);
        let Ok(Ok(link)) = timeout(ANSWER_TIMEOUT, connecting).await else {
            return self.record_failure(address);
        };
        if !link.wait_for_search_rate().await {
            tracing::debug!(%address, "too many searches, leaving out a neighbour");
            return None;
        }
        let Ok(Some((files, _))) = timeout(ANSWER_TIMEOUT, link.search(query, limit)).await else {
            return self.record_failure(address);
        };
        Some(NeighbourFiles { node, address, files })
    }

    /// Records that a node did not answer, and returns no answer.
    fn record_failure<T>(&self, address: SocketAddr) -> Option<T> {
        tracing::debug!(%address, "neighbour does not answer");
        // Without randomness only the jitter is lost.
        let random = getrandom::u64().unwrap_or(0);
        self.shared.table.lock().record_failure(address, Instant::now(), random);
        None
    }

    /// Sets or clears the error that prevents announcements.
    fn set_announce_error(&self, why: Option<String>) {
        let mut trouble = self.shared.trouble.lock();
        if let Some(error) = why.as_ref().filter(|_| trouble.announce_error != why) {
            tracing::warn!(error, "local network discovery failed");
        }
        trouble.announce_error = why;
    }

    /// Sets the error that prevents receiving announcements.
    fn set_receive_error(&self, why: String) {
        tracing::warn!(error = why, "local network discovery failed");
        self.shared.trouble.lock().receive_error = Some(why);
    }
}
