//! Torrents that BitTorrent peers call for and that are not here yet.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::bittorrent::mse::TorrentKey;
use protocol::features::IndexFeatures;
use protocol::index::TorrentHint;
use protocol::infohash::Infohash;
use tokio::sync::watch;

use super::piece_hash_cache::PieceLayout;
use super::served::ServedLimitReached;
use super::{SharedTorrentError, SharedTorrents};
use crate::bittorrent::TorrentResolver;
use crate::torrent::dot_torrent;
use crate::torrent::make;
use crate::view::DownloadId;

/// How long it may take until a torrent that was begun takes part.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// For how many torrents may be looked at once; they are made one after the other.
const MAX_CONCURRENT: usize = 16;

/// What comes of a call: nothing yet, or whether the torrent takes part now.
type LookupOutcome = watch::Receiver<Option<bool>>;

/// The torrents that are being looked for. It goes on when the caller hangs up, since hashing a large file takes longer than a
/// caller waits: the next one finds it ready.
#[derive(Debug, Default)]
pub(super) struct PendingLookups(Mutex<HashMap<Infohash, LookupOutcome>>);

impl SharedTorrents {
    async fn resolve(&self, infohash: Infohash) -> bool {
        if self.inner.withdrawn.has(&infohash) || self.has_failed_recently(infohash) {
            return false;
        }
        let Some(mut outcome) = self.start_lookup(infohash) else {
            tracing::debug!(%infohash, "too many torrents are called for at once");
            return false;
        };
        outcome.wait_for(Option::is_some).await.is_ok_and(|joined| *joined == Some(true))
    }

    /// Returns true if a torrent could not be made a short while ago.
    fn has_failed_recently(&self, infohash: Infohash) -> bool {
        self.inner.failed.lock().get(&infohash, Instant::now()).is_some()
    }

    /// Begins to look for a torrent, or joins those who wait for it; nothing if too many are looked for.
    fn start_lookup(&self, infohash: Infohash) -> Option<LookupOutcome> {
        let mut calls = self.inner.lookups.0.lock();
        if let Some(outcome) = calls.get(&infohash) {
            return Some(outcome.clone());
        }
        if calls.len() >= MAX_CONCURRENT {
            return None;
        }
        let (tell, outcome) = watch::channel(None);
        calls.insert(infohash, outcome.clone());
        let offers = self.clone();
        self.inner.config.tracker.spawn(async move {
            let cancel = &offers.inner.config.cancel;
            let joined = cancel.run_until_cancelled(offers.find_and_join(infohash)).await;
            offers.inner.lookups.0.lock().remove(&infohash);
            // The caller may have hung up.
            let _ = tell.send(Some(joined.unwrap_or_default()));
        });
        Some(outcome)
    }

    async fn find_and_join(&self, infohash: Infohash) -> bool {
        if let Err(error) = self.find_and_serve(infohash).await {
            tracing::debug!(%infohash, %error, "torrent not here");
            self.inner.failed.lock().insert(infohash, (), Instant::now());
            return false;
        }
        let joined = async {
            while !self.inner.config.wires.has(infohash) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(JOIN_TIMEOUT, joined).await.is_ok()
    }

    /// Begins to serve the torrent that somebody calls for, if it is one of a shared file.
    async fn find_and_serve(&self, infohash: Infohash) -> Result<(), SharedTorrentError> {
        // One after the other: whoever calls may be hostile, and making is dear.
        let _turn = self.inner.build_lock.lock().await;
        if self.inner.config.wires.has(infohash) {
            return Ok(());
        }
        let path = self.saved_path(infohash);
        let kept = tokio::task::spawn_blocking(move || dot_torrent::read_saved(&path)).await?;
        if let Ok(metainfo) = kept
            && metainfo.infohash() == infohash
            && let Some(digest) = metainfo.digest()
        {
            self.serve_created(&metainfo.into(), digest).await?;
            return Ok(());
        }
        for hint in self.plausible_hints(infohash).await {
            let digest = hint.digest;
            match self.build(digest, Some(hint.clone())).await {
                Ok(metainfo) if metainfo.infohash() == infohash => {
                    self.make_room()?;
                    let id = self.serve(&metainfo, digest).await?;
                    self.inner.served.lock().add_requested(infohash, id);
                    self.save_requested(infohash).await;
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
        Err(SharedTorrentError::NotShared)
    }

    /// Returns what the index says of a torrent as far as it may be true of a shared file, what costs least to check first.
    async fn plausible_hints(&self, infohash: Infohash) -> Vec<TorrentHint> {
        let hints = self.inner.config.index.find_torrent(infohash).await.unwrap_or_default();
        let files = self.inner.config.library.files();
        let cost = |hint: &TorrentHint| {
            let file = files.by_digest(&hint.digest).next()?;
            let cut = PieceLayout { digest: hint.digest, size: file.size, piece_length: hint.piece_length };
            let is_ours = hint.piece_length == make::default_piece_length(file.size);
            cut.is_plausible().then(|| (!self.inner.hash_cache.has(&cut), !is_ours))
        };
        let mut hints: Vec<_> = hints.into_iter().filter_map(|hint| Some((cost(&hint)?, hint))).collect();
        hints.sort_by_key(|(cost, _)| *cost);
        hints.into_iter().map(|(_, hint)| hint).collect()
    }

    /// Stops a torrent that nobody uses if as many are served as may be.
    fn make_room(&self) -> Result<(), SharedTorrentError> {
        let wires = &self.inner.config.wires;
        let room = self.inner.served.lock().make_room(|infohash| wires.connection_count(*infohash) == 0);
        match room {
            Ok(None) => Ok(()),
            Ok(Some(id)) => {
                self.stop_serving(id);
                Ok(())
            }
            Err(ServedLimitReached) => Err(SharedTorrentError::TooManyRequested),
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

impl TorrentResolver for SharedTorrents {
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.resolve(infohash))
    }

    fn identify(&self, key: TorrentKey) -> Pin<Box<dyn Future<Output = Option<Infohash>> + Send + '_>> {
        Box::pin(self.identify(key))
    }
}
