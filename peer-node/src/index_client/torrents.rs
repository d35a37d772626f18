//! What the index knows of torrents: the questions of the handle.

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::escape::display_safe;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;

use super::command::Command;
use super::offer_registry::is_acceptable;
use super::{IndexClient, IndexError, IndexStatus};

/// What the index says to an offer that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferOutcome {
    /// The announce URL of the index's tracker, if it is one: printable, and of a kind that can be announced to.
    pub tracker: Option<String>,
}

impl IndexClient {
    /// Offers a torrent that this node can make of a content. The offer is made again after every reconnection until it
    /// is withdrawn: also when this fails because there is no connection, or no answer, but not when it is refused.
    pub async fn offer_torrent(&self, hint: TorrentHint) -> Result<OfferOutcome, IndexError> {
        hint.check().map_err(|error| Refusal::BadRecord {
            path: display_safe(&hint.name).into_owned(),
            reason: display_safe(&error.to_string()).into_owned(),
        })?;
        self.offers.insert(&hint)?;
        // Without a connection the next session decides.
        let features = match &*self.status_reader.status.borrow() {
            IndexStatus::Online { index_info: about, .. } => Some(about.features),
            _ => None,
        };
        if features.is_some_and(|features| !is_acceptable(&hint, features)) {
            tracing::info!(name = %display_safe(&hint.name), "torrent not offered: the index does not accept its name");
            return Ok(OfferOutcome { tracker: None });
        }
        let infohash = hint.infohash;
        let answered = self.call(|answer| Command::Offer { hint, answer }).await;
        // An index that cannot write at the moment may take it in the next session.
        if let Err(IndexError::Refused(refusal)) = &answered
            && *refusal != Refusal::StoreUnavailable
        {
            self.offers.remove(&infohash);
        }
        let tracker = answered?.and_then(|place| place.url(self.index_host()));
        Ok(OfferOutcome { tracker })
    }

    /// Withdraws an offer. It is not made again in any case; after an error the index may still keep it.
    pub async fn withdraw_torrent(&self, infohash: Infohash) -> Result<(), IndexError> {
        self.offers.remove(&infohash);
        self.call(|answer| Command::Withdraw { infohash, answer }).await
    }

    /// Asks which contents a torrent stands for: at most [`MAX_TORRENT_HINTS`](protocol::limits::MAX_TORRENT_HINTS) words
    /// of strangers, that of most nodes first. Who believes one makes the torrent of it and compares the infohash.
    pub async fn find_torrent(&self, infohash: Infohash) -> Result<Vec<TorrentHint>, IndexError> {
        let mut hints = self.call(|answer| Command::FindTorrent { infohash, answer }).await?;
        hints.retain(|hint| hint.infohash == infohash);
        Ok(hints)
    }

    /// Asks which contents the torrent with a key stands for, likewise. All that is returned is about one torrent.
    pub async fn find_torrent_by_key(&self, key: TorrentKey) -> Result<Vec<TorrentHint>, IndexError> {
        let mut hints = self.call(|answer| Command::FindTorrentByKey { key, answer }).await?;
        hints.retain(|hint| TorrentKey::of(hint.infohash) == key);
        Ok(hints)
    }

    /// Asks which torrents stand for a content, likewise.
    pub async fn torrents_of(&self, digest: Digest) -> Result<Vec<TorrentHint>, IndexError> {
        let mut hints = self.call(|answer| Command::TorrentsOf { digest, answer }).await?;
        hints.retain(|hint| hint.digest == digest);
        Ok(hints)
    }

    /// The host that was dialled, without the port.
    fn index_host(&self) -> &str {
        self.address.rsplit_once(':').map_or(&self.address, |(host, _)| host)
    }
}
