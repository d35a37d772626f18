//! The node's connection to the index: it keeps the index's idea of our share list right, and asks it questions.
//!
//! [`IndexClient`] is a handle on one task, the actor, which greets the index, tells it the list and every change to it
//! (`list_sync`), renews the lease, passes questions on and reconnects when the connection ends. What is decided is
//! decided in pure parts (`session_core`, `list_sync`, `share_batch`, `backoff`); `greeting` and `session` move the
//! bytes. What the index says is a hint: addresses are filtered, words escaped, and content never comes from here.

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

use crate::native::ProbeKey;
pub use command::SearchPage;
pub use error::IndexError;
pub use share_changes::ShareChanges;
pub use share_source::{NodeShares, ShareSource};
pub use status::{IndexInfo, IndexStatus, Reachability, SyncTrouble};
pub use torrents::OfferOutcome;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
use crate::backoff::Backoff;
use crate::identity::Identity;
use crate::source_address::SourceAddress;

/// Questions that wait for the actor: as many as a busy prompt and its downloads ask at once. More wait with their
/// callers.
const BACKLOG: usize = 32;

/// Where the index is, and what it is told of us.
#[derive(Debug, Clone)]
pub struct IndexConfig {
    /// Its host and port, resolved at every attempt.
    pub address: String,
    /// Where the connection comes from.
    pub source: SourceAddress,
    /// The port on which we accept peers.
    pub port: u16,
    /// Our program and its version, for people.
    pub agent: String,
}

/// A handle on the connection to the index. All questions are cancel safe: an answer that nobody waits for is dropped.
/// A question asked while a connection is being made waits for it; without one it fails at once.
#[derive(Debug, Clone)]
pub struct IndexClient {
    commands: mpsc::Sender<Command>,
    status_reader: StatusReader,
    changes: ShareChanges,
    node: NodeId,
    /// The index's host and port as we were told them.
    address: Arc<str>,
    offers: OfferRegistry,
}

impl IndexClient {
    /// Starts the connection as a task of `tracker`, which ends within a second of `cancel`. While the shares
    /// have not settled, what the index still has of them is left alone for a minute.
    pub fn start(
        config: IndexConfig,
        identity: Arc<Identity>,
        shares: impl ShareSource,
        probe_key: ProbeKey,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let context = ClientContext { config, identity, probe_key };
        Self::start_with(context, shares, Backoff::default(), tracker, cancel)
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

    /// Returns how things stand, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<IndexStatus> {
        self.status_reader.status.clone()
    }

    /// Returns the optional features of the index; none while there is no connection.
    pub fn features(&self) -> IndexFeatures {
        match &*self.status_reader.status.borrow() {
            IndexStatus::Online { index_info: about, .. } => about.features,
            _ => IndexFeatures::NONE,
        }
    }

    /// Searches everybody's files: a page of at most `limit` hits, what fits best and is most available first, and what
    /// asks for the next page. The names are the index's words: parse them before they become paths, escape them before they are shown.
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

    /// Asks who has a content. Neither this node is among the answers nor an address that may not be dialled.
    pub async fn locate(&self, digest: Digest, limit: u16) -> Result<Vec<ContentSource>, IndexError> {
        let limit = limit.clamp(1, MAX_SOURCES);
        let sources = self.call(|answer| Command::Locate { digest, limit, answer }).await?;
        Ok(dialable_sources(sources, self.node, self.own_address()))
    }

    /// Returns where the index sees this node.
    fn own_address(&self) -> Option<SocketAddr> {
        match &*self.status_reader.status.borrow() {
            IndexStatus::Online { seen_address: you, .. } => Some(*you),
            _ => None,
        }
    }

    /// Lists the files of one peer: who it is, a page of its files in the order of their paths, and whether there are
    /// more, after the last path of this page.
    pub async fn browse(
        &self,
        peer: PeerRef,
        after: Option<String>,
        limit: u16,
    ) -> Result<(NodeId, Vec<FileRecord>, bool), IndexError> {
        let limit = limit.clamp(1, MAX_LISTING);
        self.call(|answer| Command::Browse { peer, after, limit, answer }).await
    }

    /// Asks which words of a search occur in no name, and what is spelled like them: the index's words, to be escaped before
    /// they are shown.
    pub async fn suggest(&self, query: String) -> Result<Vec<WordSuggestions>, IndexError> {
        if query.len() > MAX_QUERY {
            return Err(IndexError::TooLong { limit: MAX_QUERY });
        }
        self.call(|answer| Command::Suggest { query, answer }).await
    }

    /// Asks which nodes have an id that begins with some hexadecimal digits.
    pub async fn find_nodes(&self, prefix: String) -> Result<Vec<NodeAddress>, IndexError> {
        self.call(|answer| Command::FindNodes { prefix, answer }).await
    }

    /// Asks what the index holds.
    pub async fn statistics(&self) -> Result<Statistics, IndexError> {
        self.call(|answer| Command::Statistics { answer }).await
    }

    /// Returns true if the index takes reports of sources that do not answer.
    pub(crate) fn takes_reports(&self) -> bool {
        self.features().contains(IndexFeatures::UNREACHABLE_REPORTS)
    }

    /// Reports sources that do not answer, at most [`MAX_REPORTED`]. Waits for nothing: what there is no room for is not reported.
    pub(crate) fn report_unreachable(&self, mut places: Vec<NodeAddress>) {
        places.truncate(MAX_REPORTED);
        // Whatever the index makes of it changes nothing here.
        let (answer, _) = oneshot::channel();
        let _ = self.commands.try_send(Command::ReportUnreachable { places, answer });
    }

    async fn call<T>(&self, make: impl FnOnce(AnswerSender<T>) -> Command) -> Result<T, IndexError> {
        if let status @ (IndexStatus::Offline { .. } | IndexStatus::Stopped) =
            &*self.status_reader.status.borrow()
        {
            return Err(offline_error(status));
        }
        let (answer, answered) = oneshot::channel();
        let command = make(answer);
        let asked = async {
            self.commands.send(command).await.map_err(|_| IndexError::Stopped)?;
            answered.await.map_err(|_| IndexError::Stopped)?
        };
        let deadline = Instant::now() + CALL_TIMEOUT;
        timeout_at(deadline, asked).await.unwrap_or(Err(IndexError::TimedOut { after: CALL_TIMEOUT }))
    }

    /// Waits until the index has acknowledged the share list as it is now (or as it came to be since), and has called
    /// our port back, whatever it found. Waits through failed attempts too, for as long as `deadline`.
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
