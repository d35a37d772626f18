//! Torrents that BitTorrent peers call for and that are not here yet.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use protocol::bittorrent::mse::TorrentKey;
use protocol::features::IndexFeatures;
use protocol::index::TorrentHint;
use protocol::infohash::Infohash;
use tokio::sync::watch;

use super::given::NoRoom;
use super::piece_hashes::Cut;
use super::{OfferError, Offers, make};
use crate::bittorrent::Resolver;
use crate::storage::{Links, append_to_regular_file};
use crate::torrent::dot_torrent;
use crate::transfers::DownloadId;

/// How long it may take until a torrent that was begun takes part.
const JOINING: Duration = Duration::from_secs(5);

/// For how many torrents may be looked at once; they are made one after the other.
const AT_ONCE: usize = 16;

/// How many torrents that were called for are remembered, so that they are recognised when somebody calls who encrypts.
const MOST_REMEMBERED: usize = 1000;

/// What comes of a call: nothing yet, or whether the torrent takes part now.
type Outcome = watch::Receiver<Option<bool>>;

/// The torrents that are being looked for. It goes on when the caller hangs up, since hashing a large file takes longer than a
/// caller waits: the next one finds it ready.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<HashMap<Infohash, Outcome>>);

impl Offers {
    async fn resolve(&self, infohash: Infohash) -> bool {
        if self.inner.withdrawn.has(&infohash) || self.inner.refused.lock().has(infohash, Instant::now()) {
            return false;
        }
        let Some(mut outcome) = self.look_for(infohash) else {
            tracing::debug!(%infohash, "too many torrents are called for at once");
            return false;
        };
        outcome.wait_for(Option::is_some).await.is_ok_and(|joined| *joined == Some(true))
    }

    /// Begins to look for a torrent, or joins those who wait for it; nothing if too many are looked for.
    fn look_for(&self, infohash: Infohash) -> Option<Outcome> {
        let mut calls = self.inner.calls.0.lock();
        if let Some(outcome) = calls.get(&infohash) {
            return Some(outcome.clone());
        }
        if calls.len() >= AT_ONCE {
            return None;
        }
        let (tell, outcome) = watch::channel(None);
        calls.insert(infohash, outcome.clone());
        let offers = self.clone();
        self.inner.config.tracker.spawn(async move {
            let cancel = &offers.inner.config.cancel;
            let joined = cancel.run_until_cancelled(offers.find_and_join(infohash)).await;
            offers.inner.calls.0.lock().remove(&infohash);
            // The caller may have hung up.
            let _ = tell.send(Some(joined.unwrap_or_default()));
        });
        Some(outcome)
    }

    async fn find_and_join(&self, infohash: Infohash) -> bool {
        if let Err(error) = self.find(infohash).await {
            tracing::debug!(%infohash, %error, "torrent not here");
            self.inner.refused.lock().insert(infohash, Instant::now());
            return false;
        }
        let joined = async {
            while !self.inner.config.wires.has(infohash) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(JOINING, joined).await.is_ok()
    }

    /// Begins to serve the torrent that somebody calls for, if it is one of a shared file.
    async fn find(&self, infohash: Infohash) -> Result<(), OfferError> {
        // One after the other: whoever calls may be hostile, and making is dear.
        let _turn = self.inner.making.lock().await;
        if self.inner.config.wires.has(infohash) {
            return Ok(());
        }
        let path = self.path(infohash);
        let kept = tokio::task::spawn_blocking(move || dot_torrent::read_kept(&path)).await?;
        if let Ok(metainfo) = kept
            && metainfo.infohash() == infohash
            && let Some(digest) = metainfo.digest()
        {
            self.give_made(&metainfo.into(), digest).await?;
            return Ok(());
        }
        for hint in self.hints(infohash).await {
            let digest = hint.digest;
            match self.make(digest, Some(hint.clone())).await {
                Ok(metainfo) if metainfo.infohash() == infohash => {
                    self.make_room()?;
                    let id = self.give(&metainfo, digest).await?;
                    self.inner.given.lock().called(infohash, id);
                    self.remember(infohash).await;
                    // An index of an earlier release forgets the offer with the node that made it.
                    let index = &self.inner.config.index;
                    if !index.features().contains(IndexFeatures::KEEPS_TORRENTS) {
                        let _ = index.offer_torrent(hint).await;
                    }
                    return Ok(());
                }
                Ok(_) => tracing::warn!(%infohash, %digest, "a torrent is not what it is said to be"),
                Err(error) => tracing::debug!(%infohash, %error, "torrent not made"),
            }
        }
        Err(OfferError::NotShared)
    }

    /// Notes that a torrent was called for and is one of a shared file.
    async fn remember(&self, infohash: Infohash) {
        let folder = self.called_folder();
        let noted = tokio::task::spawn_blocking(move || note(&folder, infohash)).await;
        if let Err(error) = noted.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::debug!(%infohash, %error, "torrent not remembered");
        }
    }

    fn called_folder(&self) -> PathBuf {
        self.inner.config.folder.join("called")
    }

    /// Returns what the index says of a torrent as far as it may be true of a shared file, what costs least to check first.
    async fn hints(&self, infohash: Infohash) -> Vec<TorrentHint> {
        let hints = self.inner.config.index.find_torrent(infohash).await.unwrap_or_default();
        let files = self.inner.config.library.files();
        let cost = |hint: &TorrentHint| {
            let file = files.by_digest(&hint.digest).next()?;
            let cut = Cut { digest: hint.digest, size: file.size, piece_length: hint.piece_length };
            let is_ours = hint.piece_length == make::suitable_piece_length(file.size);
            cut.is_usual().then(|| (!self.inner.hashes.has(&cut), !is_ours))
        };
        let mut hints: Vec<_> = hints.into_iter().filter_map(|hint| Some((cost(&hint)?, hint))).collect();
        hints.sort_by_key(|(cost, _)| *cost);
        hints.into_iter().map(|(_, hint)| hint).collect()
    }

    /// Stops a torrent that nobody uses if as many are served as may be.
    fn make_room(&self) -> Result<(), OfferError> {
        let wires = &self.inner.config.wires;
        let room = self.inner.given.lock().make_room(|infohash| wires.count(*infohash) == 0);
        match room {
            Ok(None) => Ok(()),
            Ok(Some(id)) => {
                self.stop_serving(id);
                Ok(())
            }
            Err(NoRoom) => Err(OfferError::TooMany),
        }
    }

    fn stop_serving(&self, id: DownloadId) {
        let downloads = self.inner.config.downloads.clone();
        downloads.suspend(id);
        let cancel = self.inner.config.cancel.clone();
        self.inner.config.tracker.spawn(async move {
            let Some(mut view) = downloads.watch(id) else { return };
            let over = async { view.wait_for(|view| view.state.is_over()).await.is_ok() };
            if cancel.run_until_cancelled(over).await.is_some() {
                downloads.clear(id);
            }
        });
    }
}

impl Resolver for Offers {
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.resolve(infohash))
    }

    fn identify(&self, key: TorrentKey) -> Pin<Box<dyn Future<Output = Option<Infohash>> + Send + '_>> {
        let folders = [self.inner.config.folder.clone(), self.called_folder()];
        let looking =
            tokio::task::spawn_blocking(move || folders.iter().find_map(|folder| with_key(folder, key)));
        Box::pin(async { looking.await.unwrap_or_default() })
    }
}

/// Looks for the torrent with a key among those of a folder, whose files are named by their infohashes.
fn with_key(folder: &Path, key: TorrentKey) -> Option<Infohash> {
    let mut names = fs::read_dir(folder).ok()?.flatten().map(|entry| PathBuf::from(entry.file_name()));
    names.find_map(|name| {
        let infohash: Infohash = name.file_stem()?.to_str()?.parse().ok()?;
        (TorrentKey::of(infohash) == key).then_some(infohash)
    })
}

/// Makes an empty file that stands for a torrent, and removes the oldest ones if there are too many.
fn note(folder: &Path, infohash: Infohash) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mark = append_to_regular_file(&folder.join(infohash.to_string()), 0o600, Links::Refused)?;
    mark.set_modified(SystemTime::now())?;
    let entries = fs::read_dir(folder)?.flatten();
    let mut noted: Vec<(SystemTime, PathBuf)> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    noted.sort_unstable();
    let extra = noted.len().saturating_sub(MOST_REMEMBERED);
    noted.iter().take(extra).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_torrent_that_was_called_for_is_recognised_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let infohash = |number: u16| {
            let mut bytes = [7; 20];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            Infohash::from_bytes(bytes)
        };
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        note(folder.path(), infohash(0)).unwrap();
        File::options()
            .append(true)
            .open(folder.path().join(infohash(0).to_string()))
            .unwrap()
            .set_modified(old)
            .unwrap();
        for number in 1..u16::try_from(MOST_REMEMBERED).unwrap() {
            File::create(folder.path().join(infohash(number).to_string())).unwrap();
        }
        let found = |number| with_key(folder.path(), TorrentKey::of(infohash(number)));
        assert_eq!((found(0), found(5), found(5000)), (Some(infohash(0)), Some(infohash(5)), None));
        note(folder.path(), infohash(5000)).unwrap();
        assert_eq!((found(0), found(5), found(5000)), (None, Some(infohash(5)), Some(infohash(5000))));
    }
}
