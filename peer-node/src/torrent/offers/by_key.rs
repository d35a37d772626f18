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

use super::Offers;
use super::key_questions::{KeyLookup, KeyQuestions};
use super::known_keys::KnownKeys;
use crate::storage::{Links, append_to_regular_file, remove_if_there};

/// How many questions for keys the index may owe an answer at once, so that the questions of people find room beside them.
const AT_ONCE: usize = 16;

/// What is known of keys.
#[derive(Debug)]
pub(super) struct Keys {
    known: Mutex<KnownKeys>,
    /// Set once the folders of an earlier run are read.
    is_read: OnceCell<()>,
    questions: Mutex<KeyQuestions>,
    asking: Semaphore,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            is_read: OnceCell::new(),
            questions: Mutex::default(),
            asking: Semaphore::new(AT_ONCE),
        }
    }
}

impl Keys {
    /// Adds a torrent that was made here.
    pub(super) fn add_made(&self, infohash: Infohash) {
        self.known.lock().add_made(infohash);
    }

    /// Removes a torrent that was made here.
    pub(super) fn remove_made(&self, infohash: Infohash) {
        self.known.lock().remove_made(infohash);
    }
}

impl Offers {
    /// Returns the torrent with a key, if it is known here or to the index.
    pub(super) async fn identify(&self, key: TorrentKey) -> Option<Infohash> {
        self.read_keys().await;
        let known = self.inner.keys.known.lock().find(&key);
        if known.is_some() { known } else { self.ask_for_key(key).await }
    }

    /// Asks the index for a key, unless it has answered a short while ago or is asked for too many.
    async fn ask_for_key(&self, key: TorrentKey) -> Option<Infohash> {
        let Keys { questions, asking, .. } = &self.inner.keys;
        let index = &self.inner.config.index;
        if !index.features().contains(IndexFeatures::TORRENT_KEYS) {
            return None;
        }
        let permit = asking.try_acquire();
        let lookup = questions.lock().look_up(&key, Instant::now());
        match lookup {
            KeyLookup::Answered(answer) => return answer,
            KeyLookup::Ask if permit.is_ok() => {}
            KeyLookup::Ask | KeyLookup::TooMany => {
                tracing::debug!("too many torrents are called for by their keys");
                return None;
            }
        }
        match index.find_torrent_by_key(key).await {
            Ok(hints) => {
                let answer = hints.first().map(|hint| hint.infohash);
                questions.lock().answered(key, answer, Instant::now());
                answer
            }
            Err(error) => {
                tracing::debug!(%error, "index not asked for the key of a torrent");
                None
            }
        }
    }

    /// Reads which torrents earlier runs have made, and which were called for, unless that is done.
    pub(super) async fn read_keys(&self) {
        let Keys { known, is_read, .. } = &self.inner.keys;
        let reading = async || {
            let (made, called) = (self.inner.config.folder.clone(), self.called_folder());
            let read = tokio::task::spawn_blocking(move || (made_in(&made), called_in(&called)));
            let (made, called) = read.await.unwrap_or_default();
            let excess = {
                let mut known = known.lock();
                for infohash in made {
                    known.add_made(infohash);
                }
                known.recall(called.into_iter())
            };
            self.forget_called(excess).await;
        };
        is_read.get_or_init(reading).await;
    }

    /// Notes that a torrent was called for and is one of a shared file.
    pub(super) async fn remember_called(&self, infohash: Infohash) {
        let excess = self.inner.keys.known.lock().add_called(infohash);
        let folder = self.called_folder();
        let noted = tokio::task::spawn_blocking(move || note(&folder, infohash)).await;
        if let Err(error) = noted.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::debug!(%infohash, %error, "torrent not remembered for the next run");
        }
        self.forget_called(excess).await;
    }

    async fn forget_called(&self, excess: Vec<Infohash>) {
        if excess.is_empty() {
            return;
        }
        let folder = self.called_folder();
        let removed = tokio::task::spawn_blocking(move || {
            excess.iter().try_for_each(|infohash| remove_if_there(&folder.join(infohash.to_string())))
        });
        if let Err(error) = removed.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            // The next run removes it.
            tracing::debug!(%error, "file of a torrent that was called for not removed");
        }
    }

    fn called_folder(&self) -> PathBuf {
        self.inner.config.folder.join("called")
    }
}

/// Makes an empty file that stands for a torrent, or notes that it was called for again.
fn note(folder: &Path, infohash: Infohash) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mark = append_to_regular_file(&folder.join(infohash.to_string()), 0o600, Links::Refused)?;
    mark.set_modified(SystemTime::now())
}

/// Lists the torrents that were made here, whose files are named by their infohashes.
fn made_in(folder: &Path) -> Vec<Infohash> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_suffix(".torrent")?.parse().ok()).collect()
}

/// Lists the torrents that were called for, the one that was called for longest ago first.
fn called_in(folder: &Path) -> Vec<Infohash> {
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
    fn what_was_noted_is_listed_by_the_time_of_the_last_call() {
        let folder = tempfile::tempdir().unwrap();
        let called = folder.path().join("called");
        let infohash = |number| Infohash::from_bytes([number; 20]);
        for number in [1, 2, 3] {
            note(&called, infohash(number)).unwrap();
            let file = fs::File::options().append(true).open(called.join(infohash(number).to_string()));
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(10 - number));
            file.unwrap().set_modified(time).unwrap();
        }
        note(&called, infohash(3)).unwrap();
        fs::write(called.join("something else"), "").unwrap();
        assert_eq!(called_in(&called), [2, 1, 3].map(infohash));
        assert_eq!(called_in(folder.path()), []);
    }

    #[test]
    fn only_torrents_count_as_made() {
        let folder = tempfile::tempdir().unwrap();
        let infohash = Infohash::from_bytes([1; 20]);
        let other = Infohash::from_bytes([2; 20]);
        for name in [format!("{infohash}.torrent"), format!("{other}.withdrawn"), "x.torrent".to_owned()] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(made_in(folder.path()), [infohash]);
        assert_eq!(made_in(&folder.path().join("nothing here")), []);
    }
}
