//! Looks up torrents by key, for connections that begin with a key exchange (MSE). Torrents that this node has created
//! or served are known here; others may be known to the index.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use protocol::bittorrent::mse::TorrentKey;
use protocol::features::IndexFeatures;
use protocol::infohash::Infohash;
use tokio::sync::{OnceCell, Semaphore};

use super::SharedTorrents;
use super::key_query_limiter::{KeyQueryDecision, KeyQueryLimiter};
use super::known_keys::KnownKeys;
use crate::storage::{LinkPolicy, append_to_regular_file, remove_if_exists};

/// Maximum number of concurrent key queries, so that queries of the user are not delayed.
const MAX_CONCURRENT: usize = 16;

/// Known keys, and the state of queries to the index.
#[derive(Debug)]
pub(super) struct KeyIndex {
    known: Mutex<KnownKeys>,
    /// Set once the keys of earlier runs are loaded.
    loaded: OnceCell<()>,
    query_limiter: Mutex<KeyQueryLimiter>,
    query_slots: Semaphore,
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            loaded: OnceCell::new(),
            query_limiter: Mutex::default(),
            query_slots: Semaphore::new(MAX_CONCURRENT),
        }
    }
}

impl KeyIndex {
    /// Adds a created torrent.
    pub(super) fn add_created(&self, infohash: Infohash) {
        self.known.lock().add_created(infohash);
    }

    /// Removes a created torrent.
    pub(super) fn remove_created(&self, infohash: Infohash) {
        self.known.lock().remove_created(infohash);
    }
}

impl SharedTorrents {
    /// Returns the torrent with a key, if it is known here or at the index.
    pub(super) async fn identify(&self, key: TorrentKey) -> Option<Infohash> {
        self.load_keys().await;
        let known = self.inner.key_index.known.lock().find(&key);
        if known.is_some() { known } else { self.query_index(key).await }
    }

    /// Queries the index for a key, unless it answered recently or the limit is reached.
    async fn query_index(&self, key: TorrentKey) -> Option<Infohash> {
        let KeyIndex { query_limiter: limiter, query_slots: slots, .. } = &self.inner.key_index;
        let index = &self.inner.config.index;
        if !index.features().contains(IndexFeatures::TORRENT_KEYS) {
            return None;
        }
        let permit = slots.try_acquire();
        let lookup = limiter.lock().decide(&key, Instant::now());
        match lookup {
            KeyQueryDecision::Answered(answer) => return answer,
            KeyQueryDecision::Query if permit.is_ok() => {}
            KeyQueryDecision::Query | KeyQueryDecision::RateLimited => {
                tracing::debug!("too many torrent key lookups");
                return None;
            }
        }
        match index.find_torrent_by_key(key).await {
            Ok(hints) => {
                let answer = hints.first().map(|hint| hint.infohash);
                limiter.lock().record_answer(key, answer, Instant::now());
                answer
            }
            Err(error) => {
                tracing::debug!(%error, "cannot look up a torrent key at the index");
                None
            }
        }
    }

    /// Loads the keys of torrents created or requested in earlier runs, once.
    pub(super) async fn load_keys(&self) {
        let KeyIndex { known, loaded: is_loaded, .. } = &self.inner.key_index;
        let reading = async || {
            let (created, requested) = (self.inner.config.folder.clone(), self.requested_folder());
            let read = tokio::task::spawn_blocking(move || (created_in(&created), requested_in(&requested)));
            let (created, requested) = read.await.unwrap_or_default();
            let excess = {
                let mut known = known.lock();
                for infohash in created {
                    known.add_created(infohash);
                }
                known.restore(requested.into_iter())
            };
            self.delete_requested(excess).await;
        };
        is_loaded.get_or_init(reading).await;
    }

    /// Saves that a torrent of a shared file was requested.
    pub(super) async fn save_requested(&self, infohash: Infohash) {
        let excess = self.inner.key_index.known.lock().add_requested(infohash);
        let folder = self.requested_folder();
        let result = tokio::task::spawn_blocking(move || touch_marker(&folder, infohash)).await;
        if let Err(error) = result.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::debug!(%infohash, %error, "cannot save the marker of a requested torrent");
        }
        self.delete_requested(excess).await;
    }

    async fn delete_requested(&self, excess: Vec<Infohash>) {
        if excess.is_empty() {
            return;
        }
        let folder = self.requested_folder();
        let removed = tokio::task::spawn_blocking(move || {
            excess.iter().try_for_each(|infohash| remove_if_exists(&folder.join(infohash.to_string())))
        });
        if let Err(error) = removed.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            // The next run removes it.
            tracing::debug!(%error, "cannot remove the marker of a requested torrent");
        }
    }

    fn requested_folder(&self) -> PathBuf {
        self.inner.config.folder.join("called")
    }
}

/// Creates or updates the marker file of a requested torrent.
fn touch_marker(folder: &Path, infohash: Infohash) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let marker = append_to_regular_file(&folder.join(infohash.to_string()), 0o600, LinkPolicy::Refuse)?;
    marker.set_modified(SystemTime::now())
}

/// Returns the created torrents, whose files are named by infohash.
fn created_in(folder: &Path) -> Vec<Infohash> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_suffix(".torrent")?.parse().ok()).collect()
}

/// Returns the requested torrents, least recently requested first.
fn requested_in(folder: &Path) -> Vec<Infohash> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut requested: Vec<(SystemTime, Infohash)> = entries
        .filter_map(|entry| {
            let infohash = entry.file_name().to_str()?.parse().ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, infohash))
        })
        .collect();
    requested.sort_unstable();
    requested.into_iter().map(|(_, infohash)| infohash).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn requested_torrents_are_listed_by_last_request() {
        let folder = tempfile::tempdir().unwrap();
        let requested = folder.path().join("requested");
        let infohash = |number| Infohash::from_bytes([number; 20]);
        for number in [1, 2, 3] {
            touch_marker(&requested, infohash(number)).unwrap();
            let file = fs::File::options().append(true).open(requested.join(infohash(number).to_string()));
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(10 - number));
            file.unwrap().set_modified(time).unwrap();
        }
        touch_marker(&requested, infohash(3)).unwrap();
        fs::write(requested.join("something else"), "").unwrap();
        assert_eq!(requested_in(&requested), [2, 1, 3].map(infohash));
        assert_eq!(requested_in(folder.path()), []);
    }

    #[test]
    fn only_torrent_files_count_as_created() {
        let folder = tempfile::tempdir().unwrap();
        let infohash = Infohash::from_bytes([1; 20]);
        let other = Infohash::from_bytes([2; 20]);
        for name in [format!("{infohash}.torrent"), format!("{other}.withdrawn"), "x.torrent".to_owned()] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(created_in(folder.path()), [infohash]);
        assert_eq!(created_in(&folder.path().join("nothing here")), []);
    }
}
