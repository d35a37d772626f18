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
use crate::essential_task::EssentialTask;
use crate::view::{DownloadId, Priority};

/// How long changes are collected before they are written together.
const WRITE_DELAY: Duration = Duration::from_millis(500);

/// Delay before a failed write is retried.
const RETRY_DELAY: Duration = Duration::from_secs(15);

/// The unfinished downloads, kept on disk; cheap to clone. A change is durable within a second.
#[derive(Debug, Clone)]
pub(super) struct DownloadList {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Path of the list; `None` if the existing file must not be replaced.
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
    /// Creates an empty list that is written to `file`.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { file, list: Mutex::default(), changed: Notify::new() }) }
    }

    /// Adds a download.
    pub(super) fn insert(&self, id: DownloadId, listed: ListedDownload) {
        self.update(|downloads| {
            downloads.insert(id, Arc::new(listed));
            true
        });
    }

    /// Returns a listed download.
    pub(super) fn get(&self, id: DownloadId) -> Option<ListedDownload> {
        self.inner.list.lock().downloads.get(&id).map(|listed| ListedDownload::clone(listed))
    }

    /// Returns the item of a listed download.
    pub(super) fn item(&self, id: DownloadId) -> Option<DownloadItem> {
        self.inner.list.lock().downloads.get(&id).map(|listed| listed.item.clone())
    }

    /// Adds targets to a file download.
    pub(super) fn add_copies(&self, id: DownloadId, targets: Vec<DownloadTarget>) {
        self.update_one(id, |listed| match &mut listed.item {
            DownloadItem::File(wanted) => {
                wanted.copies.extend(targets);
                true
            }
            DownloadItem::Torrent(_) => false,
        });
    }

    /// Sets whether a download is paused.
    pub(super) fn set_paused(&self, id: DownloadId, is_paused: bool) {
        self.update_one(id, |listed| std::mem::replace(&mut listed.is_paused, is_paused) != is_paused);
    }

    /// Sets the priority of a download.
    pub(super) fn set_priority(&self, id: DownloadId, priority: Priority) {
        self.update_one(id, |listed| std::mem::replace(&mut listed.priority, priority) != priority);
    }

    /// Sets the number of uploaded bytes of a torrent.
    pub(super) fn set_uploaded(&self, id: DownloadId, bytes: u64) {
        self.update_one(id, |listed| match &mut listed.item {
            DownloadItem::Torrent(torrent) => std::mem::replace(&mut torrent.uploaded, bytes) != bytes,
            DownloadItem::File(_) => false,
        });
    }

    /// Removes a download that has finished or was cancelled.
    pub(super) fn remove(&self, id: DownloadId) {
        self.update(|downloads| downloads.remove(&id).is_some());
    }

    /// Rewrites the list because its file was lost.
    pub(super) fn rewrite(&self) {
        self.update(|_| true);
    }

    /// Writes the list after changes, until the node stops.
    pub(super) async fn run(self, cancel: CancellationToken) {
        let _essential = EssentialTask::begin("list of downloads");
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

    /// Writes the list if it has changed. Returns true if the file is up to date.
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
                tracing::warn!(%error, "cannot write the list of downloads");
                self.inner.list.lock().is_dirty = true;
                false
            }
        }
    }

    fn update_one(&self, id: DownloadId, change: impl FnOnce(&mut ListedDownload) -> bool) {
        self.update(|downloads| downloads.get_mut(&id).is_some_and(|listed| change(Arc::make_mut(listed))));
    }

    /// Changes the list and schedules a write if `change` returns true.
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
        let list = DownloadList::new(Some(file.clone()));
        let cancel = CancellationToken::new();
        for tag in 0..100 {
            list.insert(DownloadId(u32::from(tag)), listed(tag));
        }
        list.set_paused(DownloadId(1), true);
        (0..99).filter(|id| *id != 1).for_each(|id| list.remove(DownloadId(id)));
        cancel.cancel();
        list.run(cancel).await;
        let expected = [ListedDownload { is_paused: true, ..listed(1) }, listed(99)];
        assert_eq!(list_file::load(&file).unwrap(), expected);
    }

    #[tokio::test]
    async fn unchanged_list_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        let list = DownloadList::new(Some(file.clone()));
        let cancel = CancellationToken::new();
        list.remove(DownloadId(1));
        list.set_paused(DownloadId(1), true);
        cancel.cancel();
        list.run(cancel).await;
        assert!(!file.exists());
    }
}
