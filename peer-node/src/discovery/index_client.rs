//! The node's connection to the index: keeps the index's copy of the share list current and sends it requests.
//!
//! [`IndexClient`] is a handle to one task, the actor. It performs the handshake, sends the list and every change to it
//! (`list_sync`), renews the lease, forwards requests, and reconnects when the connection ends. Decisions are made in pure
//! parts (`session_core`, `list_sync`, `share_batch`); `greeting` and `session` do the I/O. Whatever the index sends
//! is only a hint: addresses are filtered, text is sanitized, and content never comes from the index.

mod actor;
mod command;
mod desired_list;
mod dialable;
mod error;
mod greeting;
mod list_sync;
mod offer_registry;
mod pending_requests;
mod postponed_calls;
mod retry_delays;
mod sanitize;
mod session;
mod session_core;
mod session_error;
mod share_batch;
mod share_changes;
mod share_list;
mod share_records;
mod share_source;
mod status;
mod status_channel;
mod sync_round;
mod torrents;

#[cfg(test)]
mod model_list;
#[cfg(test)]
mod scripted_index;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::backoff::{Backoff, BackoffRange};
use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::index::{
    ContentSource, FileRecord, NodeAddress, PeerRef, SearchCursor, Statistics, WordSuggestions,
};
use protocol::limits::{MAX_HITS, MAX_LISTING, MAX_QUERY, MAX_REPORTED, MAX_SOURCES};
use protocol::node_id::NodeId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::actor::{Actor, ClientContext};
use self::command::{AnswerSender, Command};
use self::dialable::dialable_sources;
use self::list_sync::ListSync;
use self::offer_registry::OfferRegistry;
use self::pending_requests::CALL_TIMEOUT;
use self::session::SessionInputs;
use self::share_source::ShareFeed;
use self::status_channel::{StatusPublisher, StatusReader, offline_error};
use crate::identity::Identity;
use crate::native::ProbeKey;
use crate::source_address::SourceAddress;
pub(crate) use command::SearchPage;
pub(crate) use error::IndexError;
pub use share_changes::ShareChanges;
pub use share_records::ShareRecords;
pub(crate) use share_source::NodeShares;
pub use share_source::ShareSource;
#[cfg(test)]
pub(crate) use status::IndexInfo;
pub use status::IndexStatus;
pub(crate) use status::{Reachability, SyncProblem};

/// Capacity of the actor's inbox: as many requests as a busy prompt and its downloads make at once. Further callers wait until
/// it has space.
const BACKLOG: usize = 32;

/// Minimum and maximum delay before reconnecting.
const RECONNECT_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(1), Duration::from_mins(1));

/// Address of the index, and what the node announces about itself.
#[derive(Debug, Clone)]
pub struct IndexConfig {
    /// Host and port, resolved at every attempt.
    pub address: String,
    /// Local address of the connection.
    pub source: SourceAddress,
    /// Port on which the node accepts peers.
    pub port: u16,
    /// Program name and version, for display.
    pub agent: String,
}

/// A handle to the connection to the index. All requests are cancel safe: a reply that no caller waits for is dropped. A
/// request made while connecting waits for the connection; while offline, a request fails immediately.
#[derive(Debug, Clone)]
pub struct IndexClient {
    commands: mpsc::Sender<Command>,
    status_reader: StatusReader,
    changes: ShareChanges,
    node: NodeId,
    /// The configured host and port of the index.
    address: Arc<str>,
    offers: OfferRegistry,
}

impl IndexClient {
    /// Starts the connection as a task of `tracker`, which ends within a second of `cancel`. Until the shares have settled,
    /// entries that the index still has from an earlier session stay there for up to a minute.
    pub fn start(
        config: IndexConfig,
        identity: Arc<Identity>,
        shares: impl ShareSource,
        probe_key: ProbeKey,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let context = ClientContext { config, identity, probe_key };
        Self::start_with(context, shares, Backoff::new(RECONNECT_DELAYS), tracker, cancel)
    }

    fn start_with(
        context: ClientContext,
        shares: impl ShareSource,
        backoff: Backoff,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(BACKLOG);
        let (status, reader) = StatusPublisher::new();
        let client = Self {
            commands,
            status_reader: reader,
            changes: shares.changes(),
            node: context.identity.node_id(),
            address: context.config.address.as_str().into(),
            offers: OfferRegistry::default(),
        };
        let inputs = SessionInputs { commands: receiver, feed: ShareFeed::new(shares) };
        let offers = client.offers.clone();
        let actor = Actor { context, inputs, status, list_sync: ListSync::default(), offers, backoff };
        tracker.spawn(actor.run(cancel));
        client
    }

    /// Returns a receiver of the connection status.
    pub fn status(&self) -> watch::Receiver<IndexStatus> {
        self.status_reader.status.clone()
    }

    /// Returns the optional features of the index; none while disconnected.
    pub fn features(&self) -> IndexFeatures {
        match &*self.status_reader.status.borrow() {
            IndexStatus::Online { index_info, .. } => index_info.features,
            _ => IndexFeatures::NONE,
        }
    }

    /// Searches the files of all nodes. Returns a page of at most `limit` hits, the best match and most available first, and
    /// the cursor of the next page. Names come from the index: parse them before use as paths, escape them for display.
    pub async fn search(
        &self,
        query: String,
        after: Option<SearchCursor>,
        limit: u16,
    ) -> Result<SearchPage, IndexError> {
        if query.len() > MAX_QUERY {
            return Err(IndexError::TooLong { limit: MAX_QUERY });
        }
        let limit = limit.clamp(1, MAX_HITS);
        let mut page = self.call(|answer| Command::Search { query, after, limit, answer }).await?;
        let own_address = self.own_address();
        for (_, sources) in &mut page.sources {
            *sources = dialable_sources(std::mem::take(sources), self.node, own_address);
        }
        Ok(page)
    }

    /// Returns the sources of a content, without this node and without addresses that must not be dialed.
    pub async fn locate(&self, digest: Digest, limit: u16) -> Result<Vec<ContentSource>, IndexError> {
        let limit = limit.clamp(1, MAX_SOURCES);
        let sources = self.call(|answer| Command::Locate { digest, limit, answer }).await?;
        Ok(dialable_sources(sources, self.node, self.own_address()))
    }

    /// Returns the address at which the index sees this node.
    fn own_address(&self) -> Option<SocketAddr> {
        match &*self.status_reader.status.borrow() {
            IndexStatus::Online { seen_address, .. } => Some(*seen_address),
            _ => None,
        }
    }

    /// Lists the files of one peer. Returns its node id, a page of its files sorted by path, and whether more files follow the
    /// last path of the page.
    pub async fn browse(
        &self,
        peer: PeerRef,
        after: Option<String>,
        limit: u16,
    ) -> Result<(NodeId, Vec<FileRecord>, bool), IndexError> {
        let limit = limit.clamp(1, MAX_LISTING);
        self.call(|answer| Command::Browse { peer, after, limit, answer }).await
    }

    /// Returns which words of a query occur in no name, with similar words that do. The words come from the index: escape them
    /// for display.
    pub async fn suggest(&self, query: String) -> Result<Vec<WordSuggestions>, IndexError> {
        if query.len() > MAX_QUERY {
            return Err(IndexError::TooLong { limit: MAX_QUERY });
        }
        self.call(|answer| Command::Suggest { query, answer }).await
    }

    /// Returns the nodes whose id begins with the given hexadecimal digits.
    pub async fn find_nodes(&self, prefix: String) -> Result<Vec<NodeAddress>, IndexError> {
        self.call(|answer| Command::FindNodes { prefix, answer }).await
    }

    /// Returns statistics of the index.
    pub async fn statistics(&self) -> Result<Statistics, IndexError> {
        self.call(|answer| Command::Statistics { answer }).await
    }

    /// Returns true if the index accepts reports of unreachable sources.
    pub(crate) fn takes_reports(&self) -> bool {
        self.features().contains(IndexFeatures::UNREACHABLE_REPORTS)
    }

    /// Reports at most [`MAX_REPORTED`] unreachable sources. Never blocks: if the inbox is full, the report is dropped.
    pub(crate) fn report_unreachable(&self, mut places: Vec<NodeAddress>) {
        places.truncate(MAX_REPORTED);
        // The answer does not matter.
        let (answer, _) = oneshot::channel();
        let _ = self.commands.try_send(Command::ReportUnreachable { places, answer });
    }

    async fn call<T>(&self, make: impl FnOnce(AnswerSender<T>) -> Command) -> Result<T, IndexError> {
        if let status @ (IndexStatus::Offline { .. } | IndexStatus::Stopped) =
            &*self.status_reader.status.borrow()
        {
            return Err(offline_error(status));
        }
        let (answer, response) = oneshot::channel();
        let command = make(answer);
        let request = async {
            self.commands.send(command).await.map_err(|_| IndexError::Stopped)?;
            response.await.map_err(|_| IndexError::Stopped)?
        };
        let deadline = Instant::now() + CALL_TIMEOUT;
        timeout_at(deadline, request).await.unwrap_or(Err(IndexError::TimedOut { after: CALL_TIMEOUT }))
    }

    /// Waits until the index has acknowledged the current share list, or a later one, and has probed the node's port with any
    /// result. Keeps waiting through failed connection attempts, up to `deadline`.
    pub async fn synced(&self, deadline: Duration) -> Result<(), IndexError> {
        let generation = self.changes.generation();
        let mut reader = self.status_reader.clone();
        let waited = timeout_at(Instant::now() + deadline, reader.wait_until_synced(generation)).await;
        waited.unwrap_or_else(|_| Err(self.unsynced_error(deadline)))
    }

    fn unsynced_error(&self, after: Duration) -> IndexError {
        IndexError::Unsynced { after, why: self.status_reader.status.borrow().to_string() }
    }
}
