//! The source of the share list that the client sends to the index.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::share_changes::ShareChanges;
use super::share_records::ShareRecords;
use crate::library::Library;
use crate::native::partials::Partials;

/// Minimum interval between two snapshots of the list, so that a library that hashes a thousand small files per second is not
/// compared and sent a thousand times.
const MIN_LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Addition to the interval per file: the changes of a long list are sent in fewer and larger messages.
const LOOK_INTERVAL_PER_FILE: Duration = Duration::from_micros(5);

/// The share list of a node.
pub trait ShareSource: Send + Sync + 'static {
    /// Returns the records of all files.
    fn records(&self) -> ShareRecords;

    /// Follows the generation of the list, which grows with every change. [`ShareSource::records`] returns at least the state
    /// of any generation seen before the call.
    fn changes(&self) -> ShareChanges;

    /// Waits until the list is complete for the first time. Before that, a file that is not in the list may still appear.
    fn settled(&self) -> impl Future<Output = ()> + Send + 'static
    where
        Self: Sized;
}

/// Everything that a node shares: complete files and unfinished downloads.
#[derive(Debug, Clone)]
pub(crate) struct NodeShares {
    /// The complete files.
    pub library: Library,
    /// The unfinished downloads, of which the node has some pieces.
    pub partials: Partials,
}

impl ShareSource for NodeShares {
    fn records(&self) -> ShareRecords {
        let files = self.library.files();
        // A download that has just completed may still be listed as partial.
        let mut partials = self.partials.records();
        partials.retain(|record| files.by_digest(&record.digest).next().is_none());
        ShareRecords::new(files.records(), partials)
    }

    fn changes(&self) -> ShareChanges {
        ShareChanges::of_both(self.library.generation(), self.partials.changes())
    }

    fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let library = self.library.clone();
        async move { library.settled().await }
    }
}

/// The share list at one moment.
#[derive(Debug)]
pub(super) struct ShareSnapshot {
    /// The generation of the list.
    pub(super) generation: u64,
    /// The records of the files.
    pub(super) records: ShareRecords,
    /// True if the list is complete.
    pub(super) settled: bool,
}

#[cfg(test)]
impl ShareSnapshot {
    /// Returns a snapshot of these records.
    pub(super) fn of(generation: u64, records: Vec<protocol::index::FileRecord>, settled: bool) -> Self {
        Self { generation, records: records.into(), settled }
    }
}

/// Takes snapshots of the list when it has changed, at limited intervals.
pub(super) struct ShareFeed {
    shares: Box<dyn ShareSource>,
    changes: ShareChanges,
    next_look_at: Instant,
    /// Completes when the list is complete for the first time; `None` afterwards.
    settling: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl ShareFeed {
    pub(super) fn new(shares: impl ShareSource) -> Self {
        let (changes, settling) = (shares.changes(), Box::pin(shares.settled()));
        Self { shares: Box::new(shares), changes, next_look_at: Instant::now(), settling: Some(settling) }
    }

    /// Takes a snapshot now.
    pub(super) fn snapshot(&mut self) -> ShareSnapshot {
        let generation = self.changes.take_generation();
        let records = self.shares.records();
        let files = u32::try_from(records.len()).unwrap_or(u32::MAX);
        self.next_look_at = Instant::now() + MIN_LOOK_INTERVAL + LOOK_INTERVAL_PER_FILE.saturating_mul(files);
        ShareSnapshot { generation, records, settled: self.settling.is_none() }
    }

    /// Waits for a change and returns a snapshot; never returns if no change can come. Cancel safe: a change counts as seen
    /// only when its snapshot is taken.
    pub(super) async fn next(&mut self) -> ShareSnapshot {
        tokio::select! {
            () = settled(&mut self.settling) => self.settling = None,
            () = changed(self.next_look_at, &mut self.changes) => {}
        }
        self.snapshot()
    }
}

async fn settled(settling: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match settling {
        Some(settling) => settling.await,
        None => std::future::pending().await,
    }
}

async fn changed(not_before: Instant, changes: &mut ShareChanges) {
    sleep_until(not_before).await;
    changes.changed().await;
}
