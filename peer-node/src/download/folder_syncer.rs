//! Makes new names in folders durable, with one sync for all downloads that wait for it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::platform::{FileId, Folder};

type SyncWaiters = Vec<oneshot::Sender<io::Result<()>>>;

/// The folders being synced, each with the waiters for its next sync; cheap to clone.
///
/// A thousand small files that finish together in one folder cost a few syncs, not a thousand.
#[derive(Debug, Clone, Default)]
pub(crate) struct FolderSyncer {
    folders: Arc<Mutex<HashMap<FileId, SyncWaiters>>>,
}

impl FolderSyncer {
    /// Waits until all names currently in the folder are durable. If the future is dropped, the sync still happens.
    pub(super) async fn sync(&self, folder: Arc<Folder>) -> io::Result<()> {
        let key = folder.id()?;
        let (done, wait) = oneshot::channel();
        let is_first = {
            let mut folders = self.folders.lock();
            let is_first = !folders.contains_key(&key);
            folders.entry(key).or_default().push(done);
            is_first
        };
        if is_first {
            let syncs = self.clone();
            // Others may still wait when this future is dropped, so the sync runs in its own task, which ends when idle.
            drop(tokio::task::spawn_blocking(move || syncs.sync_until_idle(key, &folder)));
        }
        wait.await.map_err(io::Error::other)?
    }

    /// Syncs a folder as long as there are waiters.
    fn sync_until_idle(&self, key: FileId, folder: &Folder) {
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
                // A waiter whose future was dropped needs no result.
                let _ = done.send(synced.as_ref().copied().map_err(clone_error));
            }
        }
    }
}

/// Returns a copy of the error with the same kind and, for OS errors, the same message.
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
        while let Some(result) = waits.join_next().await {
            result.unwrap().unwrap();
        }
        while !syncs.folders.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
