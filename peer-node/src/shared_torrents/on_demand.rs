//! Serves torrents on demand: BitTorrent peers request them before they have joined.

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

/// Time limit for a started torrent to join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of concurrent lookups; torrents are built one at a time.
const MAX_CONCURRENT: usize = 16;

/// Outcome of a lookup: pending, or whether the torrent has joined.
type LookupOutcome = watch::Receiver<Option<bool>>;

/// Lookups in progress. They continue when the peer disconnects, since hashing a large file takes longer than a peer
/// waits: the next request finds the torrent ready.
#[derive(Debug, Default)]
pub(super) struct PendingLookups(Mutex<HashMap<Infohash, LookupOutcome>>);

impl SharedTorrents {
    async fn resolve(&self, infohash: Infohash) -> bool {
        if self.inner.withdrawn.has(&infohash) || self.has_failed_recently(infohash) {
            return false;
        }
        let Some(mut outcome) = self.start_lookup(infohash) else {
            tracing::debug!(%infohash, "too many concurrent torrent lookups");
            return false;
        };
        outcome.wait_for(Option::is_some).await.is_ok_and(|joined| *joined == Some(true))
    }

    /// Returns true if building a torrent failed recently.
    fn has_failed_recently(&self, infohash: Infohash) -> bool {
        self.inner.failed.lock().get(&infohash, Instant::now()).is_some()
    }

    /// Starts a lookup, or joins one in progress; none if the limit is reached.
    fn start_lookup(&self, infohash: Infohash) -> Option<LookupOutcome> {
        let mut lookups = self.inner.lookups.0.lock();
        if let Some(outcome) = lookups.get(&infohash) {
            return Some(outcome.clone());
        }
        if lookups.len() >= MAX_CONCURRENT {
            return None;
        }
        let (outcome_sender, outcome) = watch::channel(None);
        lookups.insert(infohash, outcome.clone());
        let shared_torrents = self.clone();
        self.inner.config.tracker.spawn(async move {
            let cancel = &shared_torrents.inner.config.cancel;
            let joined = cancel.run_until_cancelled(shared_torrents.find_and_join(infohash)).await;
            shared_torrents.inner.lookups.0.lock().remove(&infohash);
            // The peer may have disconnected.
            let _ = outcome_sender.send(Some(joined.unwrap_or_default()));
        });
        Some(outcome)
    }

    async fn find_and_join(&self, infohash: Infohash) -> bool {
        if let Err(error) = self.find_and_serve(infohash).await {
            tracing::debug!(%infohash, %error, "cannot serve a requested torrent");
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

    /// Serves the requested torrent, if it is one of a shared file.
    async fn find_and_serve(&self, infohash: Infohash) -> Result<(), SharedTorrentError> {
        // One at a time: building is expensive, and the peer may be hostile.
        let _guard = self.inner.build_lock.lock().await;
        if self.inner.config.wires.has(infohash) {
            return Ok(());
        }
        let path = self.saved_path(infohash);
        let saved = tokio::task::spawn_blocking(move || dot_torrent::read_saved(&path)).await?;
        if let Ok(metainfo) = saved
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
                    // An index of an earlier release drops the offer when the node that made it disconnects.
                    let index = &self.inner.config.index;
                    if !index.features().contains(IndexFeatures::KEEPS_TORRENTS) {
                        let _ = index.offer_torrent(hint).await;
                    }
                    return Ok(());
                }
                Ok(_) => tracing::warn!(%infohash, %digest, "a rebuilt torrent does not match its infohash"),
                Err(error) => tracing::debug!(%infohash, %error, "cannot build a torrent"),
            }
        }
        Err(SharedTorrentError::NotShared)
    }

    /// Returns the index's hints about a torrent that may match a shared file, cheapest to check first.
    async fn plausible_hints(&self, infohash: Infohash) -> Vec<TorrentHint> {
        let hints = self.inner.config.index.find_torrent(infohash).await.unwrap_or_default();
        let files = self.inner.config.library.files();
        let cost = |hint: &TorrentHint| {
            let file = files.by_digest(&hint.digest).next()?;
            let layout =
                PieceLayout { digest: hint.digest, size: file.size, piece_length: hint.piece_length };
            let is_ours = hint.piece_length == make::default_piece_length(file.size);
            layout.is_plausible().then(|| (!self.inner.hash_cache.has(&layout), !is_ours))
        };
        let mut hints: Vec<_> = hints.into_iter().filter_map(|hint| Some((cost(&hint)?, hint))).collect();
        hints.sort_by_key(|(cost, _)| *cost);
        hints.into_iter().map(|(_, hint)| hint).collect()
    }

    /// Stops an idle torrent if the limit of torrents served on demand is reached.
    fn make_room(&self) -> Result<(), SharedTorrentError> {
        let wires = &self.inner.config.wires;
        let evicted = self.inner.served.lock().make_room(|infohash| wires.connection_count(*infohash) == 0);
        match evicted {
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
            let stopped = async { view.wait_for(|view| view.state.is_over()).await.is_ok() };
            if cancel.run_until_cancelled(stopped).await.is_some() {
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
