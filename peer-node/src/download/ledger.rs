use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::listed::{Item, Listed};
use super::saved;
use super::wanted::Target;
use crate::transfers::{DownloadId, Priority};

/// How long changes are collected before they are written together.
const PAUSE: Duration = Duration::from_millis(500);

/// How long after a failure writing is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

/// Which downloads are neither done nor given up, kept on disk; cheap to clone. A change is durable within a second.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Where the list lies; nowhere if what lies there is not to be replaced.
    file: Option<PathBuf>,
    list: Mutex<List>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct List {
    downloads: BTreeMap<DownloadId, Arc<Listed>>,
    is_behind: bool,
}

impl Ledger {
    /// Makes an empty list that is to lie in a file.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { file, list: Mutex::default(), changed: Notify::new() }) }
    }

    /// Lists a download.
    pub(super) fn put(&self, id: DownloadId, listed: Listed) {
        self.change(|downloads| {
            downloads.insert(id, Arc::new(listed));
            true
        });
    }

    /// Returns a download that is listed.
    pub(super) fn listed(&self, id: DownloadId) -> Option<Listed> {
        self.inner.list.lock().downloads.get(&id).map(|listed| Listed::clone(listed))
    }

    /// Returns what a download that is listed is.
    pub(super) fn item(&self, id: DownloadId) -> Option<Item> {
        self.inner.list.lock().downloads.get(&id).map(|listed| listed.item.clone())
    }

    /// Adds places where the file of a download is wanted as well.
    pub(super) fn add_copies(&self, id: DownloadId, targets: Vec<Target>) {
        self.change_one(id, |listed| match &mut listed.item {
            Item::File(wanted) => {
                wanted.copies.extend(targets);
                true
            }
            Item::Torrent(_) => false,
        });
    }

    /// Notes whether a download is paused.
    pub(super) fn set_paused(&self, id: DownloadId, is_paused: bool) {
        self.change_one(id, |listed| std::mem::replace(&mut listed.is_paused, is_paused) != is_paused);
    }

    /// Notes the priority of a download.
    pub(super) fn set_priority(&self, id: DownloadId, priority: Priority) {
        self.change_one(id, |listed| std::mem::replace(&mut listed.priority, priority) != priority);
    }

    /// Notes how many bytes of a torrent were given to others.
    pub(super) fn set_given(&self, id: DownloadId, bytes: u64) {
        self.change_one(id, |listed| match &mut listed.item {
            Item::Torrent(torrent) => std::mem::replace(&mut torrent.given, bytes) != bytes,
            Item::File(_) => false,
        });
    }

    /// Strikes a download that is done or given up.
    pub(super) fn strike(&self, id: DownloadId) {
        self.change(|downloads| downloads.remove(&id).is_some());
    }

    /// Has the list written again, because its file was lost.
    pub(super) fn rewrite(&self) {
        self.change(|_| true);
    }

    /// Writes the list whenever it has changed, until the node stops.
    pub(super) async fn keep(self, cancel: CancellationToken) {
        loop {
            let changed = async {
                self.inner.changed.notified().await;
                tokio::time::sleep(PAUSE).await;
            };
            let is_last = cancel.run_until_cancelled(changed).await.is_none();
            let is_written = self.write().await;
            if is_last {
                return;
            }
            if !is_written {
                cancel.run_until_cancelled(tokio::time::sleep(AFTER_FAILURE)).await;
                self.inner.changed.notify_one();
            }
        }
    }

    /// Writes the list if the file is behind. Says whether it is not any more.
    async fn write(&self) -> bool {
        let Some(file) = self.inner.file.clone() else { return true };
        let downloads: Vec<Arc<Listed>> = {
            let mut list = self.inner.list.lock();
            if !std::mem::take(&mut list.is_behind) {
                return true;
            }
            list.downloads.values().cloned().collect()
        };
        let write = move || saved::save(&file, downloads.iter().map(Arc::as_ref));
        let written = tokio::task::spawn_blocking(write).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "list of downloads not written");
                self.inner.list.lock().is_behind = true;
                false
            }
        }
    }

    fn change_one(&self, id: DownloadId, change: impl FnOnce(&mut Listed) -> bool) {
        self.change(|downloads| downloads.get_mut(&id).is_some_and(|listed| change(Arc::make_mut(listed))));
    }

    /// Changes the list and has it written if that made a difference.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<DownloadId, Arc<Listed>>) -> bool) {
        let mut list = self.inner.list.lock();
        if change(&mut list.downloads) {
            list.is_behind = true;
            self.inner.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;
    use crate::download::{Saving, Wanted};

    fn listed(tag: u8) -> Listed {
        let target = Target::InFolder(format!("{tag}"));
        let wanted = Wanted {
            digest: Digest::from_bytes([tag; 32]),
            size: None,
            path: None,
            target,
            copies: Vec::new(),
            anywhere: false,
            saving: Saving::default(),
        };
        Listed { item: Item::File(wanted), priority: Priority::Normal, is_paused: false }
    }

    #[tokio::test]
    async fn what_is_listed_when_the_node_stops_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        let ledger = Ledger::new(Some(file.clone()));
        let cancel = CancellationToken::new();
        for tag in 0..100 {
            ledger.put(DownloadId(u32::from(tag)), listed(tag));
        }
        ledger.set_paused(DownloadId(1), true);
        (0..99).filter(|id| *id != 1).for_each(|id| ledger.strike(DownloadId(id)));
        cancel.cancel();
        ledger.keep(cancel).await;
        let expected = [Listed { is_paused: true, ..listed(1) }, listed(99)];
        assert_eq!(saved::load(&file).unwrap(), expected);
    }

    #[tokio::test]
    async fn without_a_change_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        let ledger = Ledger::new(Some(file.clone()));
        let cancel = CancellationToken::new();
        ledger.strike(DownloadId(1));
        ledger.set_paused(DownloadId(1), true);
        cancel.cancel();
        ledger.keep(cancel).await;
        assert!(!file.exists());
    }
}
