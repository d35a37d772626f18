//! The nodes of our own kind that are heard on the local network, and what they answer when they are asked.
//!
//! One task announces this node, one hears others; [`Neighbours`] is the handle on both and asks those who were heard over the
//! native dialect. An announcement is a hint: it is let in by a [`Gate`](crate::gate::Gate), kept in a table of bounded size, and
//! nothing but its source address is believed. What comes from a neighbour is verified like everything else.

mod announcer;
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

use super::LanSettings;
use crate::library::Library;
use crate::native::Links;
use table::NeighbourTable;

/// How long one that is asked may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long all together may take: a crowd of made-up nodes is not waited for one after the other.
const ALL_ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);

/// How many are asked at once.
const MAX_CONCURRENT: usize = 16;

/// What the neighbours' tasks work with.
#[derive(Debug, Clone)]
pub(crate) struct NeighboursConfig {
    /// Ports, period, addresses.
    pub(crate) settings: LanSettings,
    /// Who we are.
    pub(crate) node: NodeId,
    /// The port on which we accept peers.
    pub(crate) port: u16,
    /// What we announce.
    pub(crate) library: Library,
    /// Over which others are asked.
    pub(crate) links: Links,
}

/// A node, where it listens, and what it says that it shares.
#[derive(Debug)]
pub(crate) struct NeighbourFiles {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) files: Vec<FileRecord>,
}

/// A handle on the nodes that are heard; cheap to clone.
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

/// What keeps nodes from hearing each other.
#[derive(Debug, Default)]
struct NeighbourTrouble {
    /// Why this node is not heard at the moment.
    announce_error: Option<String>,
    /// Why this node does not hear others.
    receive_error: Option<String>,
}

impl Neighbours {
    /// Starts the tasks. A port that cannot be had is told by [`Neighbours::trouble`]; the node works on without.
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
        let (muted, deafened) = (cancel.clone(), cancel.clone());
        tracker.spawn(async move { muted.run_until_cancelled(announcing).await });
        tracker.spawn(async move { deafened.run_until_cancelled(receiving).await });
        neighbours
    }

    /// Counts the nodes that were heard lately.
    pub(crate) fn count(&self) -> usize {
        self.shared.table.lock().count(Instant::now())
    }

    /// Says what keeps nodes from hearing each other, if anything does.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.shared.trouble.lock();
        let errors: Vec<&str> = [&trouble.receive_error, &trouble.announce_error]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// Returns the nodes that have announced a content.
    pub(crate) fn sources_of(&self, digest: &Digest) -> Vec<(NodeId, SocketAddr)> {
        self.shared.table.lock().sources_of(digest, Instant::now())
    }

    /// Returns true if a node at an address was heard lately.
    pub(crate) fn contains(&self, address: &SocketAddr) -> bool {
        self.shared.table.lock().contains(address)
    }

    /// Asks all nodes that were heard for files whose names match; those who do not answer in time are left out. Nobody is asked
    /// what is longer than a query may be: they would take it for a violation. Cancel safe.
    pub(crate) async fn search(&self, query: &str, limit: u16) -> Vec<NeighbourFiles> {
        if query.len() > MAX_QUERY {
            return Vec::new();
        }
        let limit = limit.clamp(1, MAX_HITS);
        let askable = self.shared.table.lock().queryable(Instant::now());
        let (room, mut asked) = (Arc::new(Semaphore::new(MAX_CONCURRENT)), JoinSet::new());
        for (node, address) in askable {
            let (neighbours, room, query) = (self.clone(), Arc::clone(&room), query.to_owned());
            asked.spawn(async move {
                let _turn = room.acquire().await.ok()?;
                neighbours.search_one(node, address, &query, limit).await
            });
        }
        let mut found = Vec::new();
        let deadline = Instant::now() + ALL_ANSWERS_TIMEOUT;
        while let Ok(Some(answered)) = timeout_at(deadline.into(), asked.join_next()).await {
            found.extend(answered.ok().flatten());
        }
        found.sort_by_key(|sighted| sighted.node);
        found
    }

    async fn search_one(
        &self,
        node: NodeId,
        address: SocketAddr,
        query: &str,
        limit: u16,
    ) -> Option<NeighbourFiles> {
        let asking = async {
            let link = self.shared.config.links.get_or_connect(node, address).await.ok()?;
            link.search(query, limit).await
        };
        let Some((files, _)) = timeout(ANSWER_TIMEOUT, asking).await.ok().flatten() else {
            tracing::debug!(%address, "a neighbour does not answer");
            self.shared.table.lock().record_failure(address, Instant::now());
            return None;
        };
        Some(NeighbourFiles { node, address, files })
    }

    /// Notes why this node is not heard, or that it is.
    fn set_announce_error(&self, why: Option<String>) {
        let mut trouble = self.shared.trouble.lock();
        if let Some(what) = why.as_ref().filter(|_| trouble.announce_error != why) {
            tracing::warn!(what, "trouble on the local network");
        }
        trouble.announce_error = why;
    }

    /// Notes why this node hears nobody.
    fn set_receive_error(&self, why: String) {
        tracing::warn!(what = why, "trouble on the local network");
        self.shared.trouble.lock().receive_error = Some(why);
    }
}
