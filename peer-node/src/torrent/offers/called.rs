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

use super::given::NoRoom;
use super::piece_hashes::Cut;
use super::{OfferError, Offers, make};
use crate::bittorrent::Resolver;
use crate::torrent::dot_torrent;
use crate::transfers::DownloadId;

/// How long it may take until a torrent that was begun takes part.
const JOINING: Duration = Duration::from_secs(5);

/// For how many torrents may be looked at once; they are made one after the other.
const AT_ONCE: usize = 16;

/// What comes of a call: nothing yet, or whether the torrent takes part now.
type Outcome = watch::Receiver<Option<bool>>;

/// The torrents that are being looked for. It goes on when the caller hangs up, since hashing a large file takes longer than a
/// caller waits: the next one finds it ready.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<HashMap<Infohash, Outcome>>);

impl Offers {
    async fn resolve(&self, infohash: Infohash) -> bool {
        if self.inner.withdrawn.has(&infohash) || self.is_refused(infohash) {
            return false;
        }
        let Some(mut outcome) = self.look_for(infohash) else {
            tracing::debug!(%infohash, "too many torrents are called for at once");
            return false;
        };
        outcome.wait_for(Option::is_some).await.is_ok_and(|joined| *joined == Some(true))
    }

    /// Returns true if a torrent could not be made a short while ago.
    fn is_refused(&self, infohash: Infohash) -> bool {
        self.inner.refused.lock().get(&infohash, Instant::now()).is_some()
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
            self.inner.refused.lock().insert(infohash, (), Instant::now());
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
                    self.remember_called(infohash).await;
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
        Box::pin(self.identify(key))
    }
}
