use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::list_file;
use super::listed_download::{DownloadItem, ListedDownload};
use super::wanted::DownloadTarget;
use crate::view::{DownloadId, Priority};

/// How long changes are collected before they are written together.
const WRITE_DELAY: Duration = Duration::from_millis(500);

/// How long after a failure writing is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(15);

/// Which downloads are neither done nor given up, kept on disk; cheap to clone. A change is durable within a second.
#[derive(Debug, Clone)]
pub(super) struct DownloadList {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Where the list lies; nowhere if what lies there is not to be replaced.
    file: Option<PathBuf>,
    list: Mutex<ListState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct ListState {
    downloads: BTreeMap<DownloadId, Arc<ListedDownload>>,
    is_dirty: bool,
}

impl DownloadList {
    /// Makes an empty list that is to lie in a file.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { file, list: Mutex::default(), changed: Notify::new() }) }
    }

    /// Lists a download.
    pub(super) fn insert(&self, id: DownloadId, listed: ListedDownload) {
        self.update(|downloads| {
            downloads.insert(id, Arc::new(listed));
            true
        });
    }

    /// Returns a download that is listed.
    pub(super) fn get(&self, id: DownloadId) -> Option<ListedDownload> {
        self.inner.list.lock().downloads.get(&id).map(|listed| ListedDownload::clone(listed))
    }

    /// Returns what a download that is listed is.
    pub(super) fn item(&self, id: DownloadId) -> Option<DownloadItem> {
        self.inner.list.lock().downloads.get(&id).map(|listed| listed.item.clone())
    }

    /// Adds places where the file of a download is wanted as well.
    pub(super) fn add_copies(&self, id: DownloadId, targets: Vec<DownloadTarget>) {
        self.update_one(id, |listed| match &mut listed.item {
            DownloadItem::File(wanted) => {
                wanted.copies.extend(targets);
                true
            }
            DownloadItem::Torrent(_) => false,
        });
    }

    /// Notes whether a download is paused.
    pub(super) fn set_paused(&self, id: DownloadId, is_paused: bool) {
        self.update_one(id, |listed| std::mem::replace(&mut listed.is_paused, is_paused) != is_paused);
    }

    /// Notes the priority of a download.
    pub(super) fn set_priority(&self, id: DownloadId, priority: Priority) {
        self.update_one(id, |listed| std::mem::replace(&mut listed.priority, priority) != priority);
    }

    /// Notes how many bytes of a torrent were given to others.
    pub(super) fn set_uploaded(&self, id: DownloadId, bytes: u64) {
        self.update_one(id, |listed| match &mut listed.item {
            DownloadItem::Torrent(torrent) => std::mem::replace(&mut torrent.uploaded, bytes) != bytes,
            DownloadItem::File(_) => false,
        });
    }

    /// Strikes a download that is done or given up.
    pub(super) fn remove(&self, id: DownloadId) {
        self.update(|downloads| downloads.remove(&id).is_some());
    }

    /// Has the list written again, because its file was lost.
    pub(super) fn rewrite(&self) {
        self.update(|_| true);
    }

    /// Writes the list whenever it has changed, until the node stops.
    pub(super) async fn run(self, cancel: CancellationToken) {
        loop {
            let changed = async {
                self.inner.changed.notified().await;
                tokio::time::sleep(WRITE_DELAY).await;
            };
            let is_last = cancel.run_until_cancelled(changed).await.is_none();
            let is_written = self.write().await;
            if is_last {
                return;
            }
            if !is_written {
                cancel.run_until_cancelled(tokio::time::sleep(RETRY_DELAY)).await;
                self.inner.changed.notify_one();
            }
        }
    }

    /// Writes the list if the file is behind. Says whether it is not any more.
    async fn write(&self) -> bool {
        let Some(file) = self.inner.file.clone() else { return true };
        let downloads: Vec<Arc<ListedDownload>> = {
            let mut list = self.inner.list.lock();
            if !std::mem::take(&mut list.is_dirty) {
                return true;
            }
            list.downloads.values().cloned().collect()
        };
        let write = move || list_file::save(&file, downloads.iter().map(Arc::as_ref));
        let written = tokio::task::spawn_blocking(write).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "list of downloads not written");
                self.inner.list.lock().is_dirty = true;
                false
            }
        }
    }

    fn update_one(&self, id: DownloadId, change: impl FnOnce(&mut ListedDownload) -> bool) {
        self.update(|downloads| downloads.get_mut(&id).is_some_and(|listed| change(Arc::make_mut(listed))));
    }

    /// Changes the list and has it written if that made a difference.
    fn update(&self, change: impl FnOnce(&mut BTreeMap<DownloadId, Arc<ListedDownload>>) -> bool) {
        let mut list = self.inner.list.lock();
        if change(&mut list.downloads) {
            list.is_dirty = true;
            self.inner.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;
    use crate::download::{SaveOptions, WantedFile};

    fn listed(tag: u8) -> ListedDownload {
        let target = DownloadTarget::InFolder(format!("{tag}"));
        let wanted = WantedFile {
            digest: Digest::from_bytes([tag; 32]),
            size: None,
            path: None,
            target,
            copies: Vec::new(),
            anywhere: false,
            save_options: SaveOptions::default(),
        };
        ListedDownload { item: DownloadItem::File(wanted), priority: Priority::Normal, is_paused: false }
    }

    #[tokio::test]
    async fn list_is_on_disk_when_the_node_stops() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        let ledger = DownloadList::new(Some(file.clone()));
        let cancel = CancellationToken::new();
        for tag in 0..100 {
            ledger.insert(DownloadId(u32::from(tag)), listed(tag));
        }
        ledger.set_paused(DownloadId(1), true);
        (0..99).filter(|id| *id != 1).for_each(|id| ledger.remove(DownloadId(id)));
        cancel.cancel();
        ledger.run(cancel).await;
        let expected = [ListedDownload { is_paused: true, ..listed(1) }, listed(99)];
        assert_eq!(list_file::load(&file).unwrap(), expected);
    }

    #[tokio::test]
    async fn unchanged_list_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        let ledger = DownloadList::new(Some(file.clone()));
        let cancel = CancellationToken::new();
        ledger.remove(DownloadId(1));
        ledger.set_paused(DownloadId(1), true);
        cancel.cancel();
        ledger.run(cancel).await;
        assert!(!file.exists());
    }
}
