//! Where the client takes the list of shared files from.

use std::pin::Pin;
use std::time::Duration;

use protocol::index::FileRecord;
use tokio::time::{Instant, sleep_until};

use super::share_changes::ShareChanges;
use crate::library::Library;
use crate::native::partials::Partials;

/// The least time between two looks at the list, so that a library that hashes a thousand small files a second is not
/// copied a thousand times.
const MIN_LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// So much more of it for each file, since a look costs as much as the list is long.
const LOOK_INTERVAL_PER_FILE: Duration = Duration::from_micros(5);

/// What a node shares.
pub trait ShareSource: Send + Sync + 'static {
    /// Lists all files as the index is to know them, in any order.
    fn records(&self) -> Vec<FileRecord>;

    /// Gives the number of the list's state, which grows with every change. [`ShareSource::records`] called after a number
    /// was seen shows at least that state.
    fn changes(&self) -> ShareChanges;

    /// Waits until the list is known for the first time: until then, a file that is not in it may yet be shared.
    fn settled(&self) -> impl Future<Output = ()> + Send + 'static
    where
        Self: Sized;
}

/// All that a node shares: whole files, and contents that are on their way here.
#[derive(Debug, Clone)]
pub struct NodeShares {
    /// The files.
    pub library: Library,
    /// The contents of which some pieces are here.
    pub partials: Partials,
}

impl ShareSource for NodeShares {
    fn records(&self) -> Vec<FileRecord> {
        let files = self.library.files();
        // What has just become whole may still be among the partial ones.
        let mut partials = self.partials.records();
        partials.retain(|record| files.by_digest(&record.digest).next().is_none());
        partials.into_iter().chain(files.records()).collect()
    }

    fn changes(&self) -> ShareChanges {
        ShareChanges::of_both(self.library.changes(), self.partials.changes())
    }

    fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let library = self.library.clone();
        async move { library.settled().await }
    }
}

/// The list as it was at one moment.
#[derive(Debug)]
pub(super) struct ShareSnapshot {
    /// The number of its state.
    pub(super) generation: u64,
    /// The files.
    pub(super) records: Vec<FileRecord>,
    /// Whether these are all, as far as the node knows.
    pub(super) settled: bool,
}

/// Looks at the list whenever it has changed, but not all the time.
pub(super) struct ShareFeed {
    shares: Box<dyn ShareSource>,
    changes: ShareChanges,
    next_look_at: Instant,
    /// Until the list is known for the first time.
    settling: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl ShareFeed {
    pub(super) fn new(shares: impl ShareSource) -> Self {
        let (changes, settling) = (shares.changes(), Box::pin(shares.settled()));
        Self { shares: Box::new(shares), changes, next_look_at: Instant::now(), settling: Some(settling) }
    }

    /// Looks at the list now.
    pub(super) fn snapshot(&mut self) -> ShareSnapshot {
        let generation = self.changes.take_generation();
        let records = self.shares.records();
        let files = u32::try_from(records.len()).unwrap_or(u32::MAX);
        self.next_look_at = Instant::now() + MIN_LOOK_INTERVAL + LOOK_INTERVAL_PER_FILE.saturating_mul(files);
        ShareSnapshot { generation, records, settled: self.settling.is_none() }
    }

    /// Waits for a change and looks at the list; never returns when there can be no more. Cancel safe: a change is
    /// seen only with the look.
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

async fn changed(rest_until: Instant, changes: &mut ShareChanges) {
    sleep_until(rest_until).await;
    changes.changed().await;
}
