//! Makes names in folders durable, once for all that wait for it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

type Waiting = Vec<oneshot::Sender<Result<(), io::ErrorKind>>>;

/// The folders that are being made durable, each with those who wait for the next time; cheap to clone.
///
/// A thousand small files that end together in one folder cost a few syncs of it, not a thousand.
#[derive(Debug, Clone, Default)]
pub struct FolderSyncs {
    folders: Arc<Mutex<HashMap<PathBuf, Waiting>>>,
}

impl FolderSyncs {
    /// Waits until every name that is in the folder now will survive a power cut. Cancel safe.
    pub(super) async fn sync(&self, folder: &Path) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        let is_first = {
            let mut folders = self.folders.lock();
            let is_first = !folders.contains_key(folder);
            folders.entry(folder.to_owned()).or_default().push(done);
            is_first
        };
        if is_first {
            let (syncs, folder) = (self.clone(), folder.to_owned());
            // Who waits here may go away, others would wait on: so it is a task that ends by itself.
            drop(tokio::task::spawn_blocking(move || syncs.work(&folder)));
        }
        wait.await.map_err(io::Error::other)?.map_err(Into::into)
    }

    /// Syncs a folder as long as somebody waits for it.
    fn work(&self, folder: &Path) {
        loop {
            let waiting = match self.folders.lock().get_mut(folder) {
                Some(waiting) if !waiting.is_empty() => std::mem::take(waiting),
                _ => Waiting::new(),
            };
            if waiting.is_empty() {
                let mut folders = self.folders.lock();
                if folders.get(folder).is_none_or(Vec::is_empty) {
                    folders.remove(folder);
                    return;
                }
                continue;
            }
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            for done in waiting {
                // Who does not wait any more need not know.
                let _ = done.send(synced.as_ref().map_err(io::Error::kind).copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_is_told_and_nothing_is_kept() {
        let (folder, syncs) = (tempfile::tempdir().unwrap(), FolderSyncs::default());
        let mut waits = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (syncs, folder) = (syncs.clone(), folder.path().to_owned());
            waits.spawn(async move { syncs.sync(&folder).await });
        }
        while let Some(told) = waits.join_next().await {
            told.unwrap().unwrap();
        }
        let gone = syncs.sync(&folder.path().join("gone")).await;
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
        while !syncs.folders.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
