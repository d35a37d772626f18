//! Torrents of which a caller names only the key, since its connection begins with a key exchange (MSE): one that this node has
//! made or served is known here, and any other may be known to the index.

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

/// How many questions for keys the index may owe an answer at once, so that the questions of people find room beside them.
const MAX_CONCURRENT: usize = 16;

/// What is known of keys.
#[derive(Debug)]
pub(super) struct KeyIndex {
    known: Mutex<KnownKeys>,
    /// Set once the folders of an earlier run are read.
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
    /// Adds a torrent that was made here.
    pub(super) fn add_created(&self, infohash: Infohash) {
        self.known.lock().add_created(infohash);
    }

    /// Removes a torrent that was made here.
    pub(super) fn remove_created(&self, infohash: Infohash) {
        self.known.lock().remove_created(infohash);
    }
}

impl SharedTorrents {
    /// Returns the torrent with a key, if it is known here or to the index.
    pub(super) async fn identify(&self, key: TorrentKey) -> Option<Infohash> {
        self.load_keys().await;
        let known = self.inner.key_index.known.lock().find(&key);
        if known.is_some() { known } else { self.query_index(key).await }
    }

    /// Asks the index for a key, unless it has answered a short while ago or is asked for too many.
    async fn query_index(&self, key: TorrentKey) -> Option<Infohash> {
        let KeyIndex { query_limiter: questions, query_slots: asking, .. } = &self.inner.key_index;
        let index = &self.inner.config.index;
        if !index.features().contains(IndexFeatures::TORRENT_KEYS) {
            return None;
        }
        let permit = asking.try_acquire();
        let lookup = questions.lock().decide(&key, Instant::now());
        match lookup {
            KeyQueryDecision::Answered(answer) => return answer,
            KeyQueryDecision::Query if permit.is_ok() => {}
            KeyQueryDecision::Query | KeyQueryDecision::RateLimited => {
                tracing::debug!("too many torrents are called for by their keys");
                return None;
            }
        }
        match index.find_torrent_by_key(key).await {
            Ok(hints) => {
                let answer = hints.first().map(|hint| hint.infohash);
                questions.lock().record_answer(key, answer, Instant::now());
                answer
            }
            Err(error) => {
                tracing::debug!(%error, "index not asked for the key of a torrent");
                None
            }
        }
    }

    /// Reads which torrents earlier runs have made, and which were called for, unless that is done.
    pub(super) async fn load_keys(&self) {
        let KeyIndex { known, loaded: is_read, .. } = &self.inner.key_index;
        let reading = async || {
            let (made, called) = (self.inner.config.folder.clone(), self.requested_folder());
            let read = tokio::task::spawn_blocking(move || (created_in(&made), requested_in(&called)));
            let (made, called) = read.await.unwrap_or_default();
            let excess = {
                let mut known = known.lock();
                for infohash in made {
                    known.add_created(infohash);
                }
                known.restore(called.into_iter())
            };
            self.delete_requested(excess).await;
        };
        is_read.get_or_init(reading).await;
    }

    /// Notes that a torrent was called for and is one of a shared file.
    pub(super) async fn save_requested(&self, infohash: Infohash) {
        let excess = self.inner.key_index.known.lock().add_requested(infohash);
        let folder = self.requested_folder();
        let noted = tokio::task::spawn_blocking(move || touch_marker(&folder, infohash)).await;
        if let Err(error) = noted.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::debug!(%infohash, %error, "torrent not remembered for the next run");
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
            tracing::debug!(%error, "file of a torrent that was called for not removed");
        }
    }

    fn requested_folder(&self) -> PathBuf {
        self.inner.config.folder.join("called")
    }
}

/// Makes an empty file that stands for a torrent, or notes that it was called for again.
fn touch_marker(folder: &Path, infohash: Infohash) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mark = append_to_regular_file(&folder.join(infohash.to_string()), 0o600, LinkPolicy::Refuse)?;
    mark.set_modified(SystemTime::now())
}

/// Lists the torrents that were made here, whose files are named by their infohashes.
fn created_in(folder: &Path) -> Vec<Infohash> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_suffix(".torrent")?.parse().ok()).collect()
}

/// Lists the torrents that were called for, the one that was called for longest ago first.
fn requested_in(folder: &Path) -> Vec<Infohash> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut called: Vec<(SystemTime, Infohash)> = entries
        .filter_map(|entry| {
            let infohash = entry.file_name().to_str()?.parse().ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, infohash))
        })
        .collect();
    called.sort_unstable();
    called.into_iter().map(|(_, infohash)| infohash).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn requested_torrents_are_listed_by_last_request() {
        let folder = tempfile::tempdir().unwrap();
        let called = folder.path().join("called");
        let infohash = |number| Infohash::from_bytes([number; 20]);
        for number in [1, 2, 3] {
            touch_marker(&called, infohash(number)).unwrap();
            let file = fs::File::options().append(true).open(called.join(infohash(number).to_string()));
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(10 - number));
            file.unwrap().set_modified(time).unwrap();
        }
        touch_marker(&called, infohash(3)).unwrap();
        fs::write(called.join("something else"), "").unwrap();
        assert_eq!(requested_in(&called), [2, 1, 3].map(infohash));
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
