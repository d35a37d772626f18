//! Makes names in folders durable, once for all that wait for it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::storage::Folder;

/// The device and inode of a folder.
type FolderKey = (u64, u64);

type SyncWaiters = Vec<oneshot::Sender<io::Result<()>>>;

/// The folders that are being made durable, each with those who wait for the next time; cheap to clone.
///
/// A thousand small files that end together in one folder cost a few syncs of it, not a thousand.
#[derive(Debug, Clone, Default)]
pub struct FolderSyncer {
    folders: Arc<Mutex<HashMap<FolderKey, SyncWaiters>>>,
}

impl FolderSyncer {
    /// Waits until every name that is in the folder now will survive a power cut. Cancel safe.
    pub(super) async fn sync(&self, folder: Arc<Folder>) -> io::Result<()> {
        let found = rustix::fs::fstat(&*folder)?;
        let key = (found.st_dev, found.st_ino);
        let (done, wait) = oneshot::channel();
        let is_first = {
            let mut folders = self.folders.lock();
            let is_first = !folders.contains_key(&key);
            folders.entry(key).or_default().push(done);
            is_first
        };
        if is_first {
            let syncs = self.clone();
            // Who waits here may go away, others would wait on: so it is a task that ends by itself.
            drop(tokio::task::spawn_blocking(move || syncs.sync_until_idle(key, &folder)));
        }
        wait.await.map_err(io::Error::other)?
    }

    /// Syncs a folder as long as somebody waits for it.
    fn sync_until_idle(&self, key: FolderKey, folder: &Folder) {
        loop {
            let waiting = match self.folders.lock().get_mut(&key) {
                Some(waiting) if !waiting.is_empty() => std::mem::take(waiting),
                _ => SyncWaiters::new(),
            };
            if waiting.is_empty() {
                let mut folders = self.folders.lock();
                if folders.get(&key).is_none_or(Vec::is_empty) {
                    folders.remove(&key);
                    return;
                }
                continue;
            }
            let synced = folder.sync();
            for done in waiting {
                // Who does not wait any more need not know.
                let _ = done.send(synced.as_ref().copied().map_err(clone_error));
            }
        }
    }
}

/// Makes another error of the same kind and, where the system has said something, in the same words.
fn clone_error(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloned_error_keeps_kind_and_message() {
        let error = io::Error::from_raw_os_error(5);
        assert_eq!(clone_error(&error).to_string(), error.to_string());
        assert_eq!(clone_error(&io::Error::other("x")).kind(), io::ErrorKind::Other);
    }

    #[tokio::test]
    async fn all_waiters_are_notified_and_removed() {
        let (folder, syncs) = (tempfile::tempdir().unwrap(), FolderSyncer::default());
        let mut waits = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (syncs, folder) = (syncs.clone(), Arc::new(Folder::open(folder.path()).unwrap()));
            waits.spawn(async move { syncs.sync(folder).await });
        }
        while let Some(told) = waits.join_next().await {
            told.unwrap().unwrap();
        }
        while !syncs.folders.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
