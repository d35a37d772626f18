//! Requests about torrents.

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::escape::display_safe;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;

use super::command::Command;
use super::offer_registry::is_acceptable;
use super::{IndexClient, IndexError, IndexStatus};

/// The reply of the index to an accepted offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferOutcome {
    /// The announce URL of the index's tracker, if it runs one: printable and of a supported scheme.
    pub tracker: Option<String>,
}

impl IndexClient {
    /// Offers a torrent that this node can create from a content. The offer is repeated after every reconnect until it is
    /// withdrawn, even if this call fails for lack of a connection or a reply. It is not repeated if the index refuses it.
    pub async fn offer_torrent(&self, hint: TorrentHint) -> Result<OfferOutcome, IndexError> {
        hint.check().map_err(|error| Refusal::BadRecord {
            path: display_safe(&hint.name).into_owned(),
            reason: display_safe(&error.to_string()).into_owned(),
        })?;
        self.offers.insert(&hint)?;
        // Without a connection, the next session decides.
        let features = match &*self.status_reader.status.borrow() {
            IndexStatus::Online { index_info, .. } => Some(index_info.features),
            _ => None,
        };
        if features.is_some_and(|features| !is_acceptable(&hint, features)) {
            tracing::info!(name = %display_safe(&hint.name), "torrent not offered: the index does not accept its name");
            return Ok(OfferOutcome { tracker: None });
        }
        let infohash = hint.infohash;
        let response = self.call(|answer| Command::Offer { hint, answer }).await;
        // An index that cannot write at the moment may accept the offer in the next session.
        if let Err(IndexError::Refused(refusal)) = &response
            && *refusal != Refusal::StoreUnavailable
        {
            self.offers.remove(&infohash);
        }
        let tracker = response?.and_then(|location| location.url(self.index_host()));
        Ok(OfferOutcome { tracker })
    }

    /// Withdraws an offer. It is no longer repeated in any case; after an error the index may still have it.
    pub async fn withdraw_torrent(&self, infohash: Infohash) -> Result<(), IndexError> {
        self.offers.remove(&infohash);
        self.call(|answer| Command::Withdraw { infohash, answer }).await
    }

    /// Returns the contents that a torrent may contain: at most [`MAX_TORRENT_HINTS`](protocol::limits::MAX_TORRENT_HINTS)
    /// hints, those from most nodes first. Hints are unverified: create the torrent from the content and compare the infohash.
    pub async fn find_torrent(&self, infohash: Infohash) -> Result<Vec<TorrentHint>, IndexError> {
        let mut hints = self.call(|answer| Command::FindTorrent { infohash, answer }).await?;
        hints.retain(|hint| hint.infohash == infohash);
        Ok(hints)
    }

    /// Returns the contents that the torrent with a key may contain, as unverified hints. All hints are about one torrent.
    pub async fn find_torrent_by_key(&self, key: TorrentKey) -> Result<Vec<TorrentHint>, IndexError> {
        let mut hints = self.call(|answer| Command::FindTorrentByKey { key, answer }).await?;
        hints.retain(|hint| TorrentKey::of(hint.infohash) == key);
        Ok(hints)
    }

    /// Returns the torrents that may contain a content, as unverified hints.
    pub async fn torrents_of(&self, digest: Digest) -> Result<Vec<TorrentHint>, IndexError> {
        let mut hints = self.call(|answer| Command::TorrentsOf { digest, answer }).await?;
        hints.retain(|hint| hint.digest == digest);
        Ok(hints)
    }

    /// Returns the host of the index without the port.
    fn index_host(&self) -> &str {
        self.address.rsplit_once(':').map_or(&self.address, |(host, _)| host)
    }
}
