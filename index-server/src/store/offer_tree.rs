//! The torrent offers, in a tree beside the lists, so that a release without them can still read the lists.
//!
//! | key | value |
//! |---|---|
//! | one zero byte | the format of the tree, a `u32` |
//! | node id, infohash: 52 bytes | [`OfferRow`] |

use bincode::{Decode, Encode};
use protocol::digest::Digest;
use protocol::index::TorrentHint;
use protocol::infohash::Infohash;
use protocol::node_id::NodeId;

use super::StoreError;
use super::rows;
use super::side_tree::{self, TreeError};
use crate::offers::{OfferKey, OfferWrite, StoredOffer};

/// The tree's name on disk.
pub(super) const TREE: &str = "torrents";

/// The only format that is written and read.
pub(super) const FORMAT: u32 = 1;

/// An offer without its infohash.
#[derive(Debug, Encode, Decode)]
struct OfferRow {
    digest: [u8; 32],
    name: String,
    piece_length: u32,
}

/// Returns the changes of the tree for these writes.
pub(super) fn batch(writes: &[OfferWrite]) -> Result<sled::Batch, StoreError> {
    let too_long = || StoreError::Failed { what: "an offer exceeds the maximum row size".into() };
    let mut batch = sled::Batch::default();
    side_tree::write_format(&mut batch, FORMAT)?;
    for OfferWrite { key, hint } in writes {
        let key = key_bytes(key);
        match hint {
            Some(hint) => batch.insert(key, rows::encode(&row(hint)).ok_or_else(too_long)?),
            None => batch.remove(key),
        }
    }
    Ok(batch)
}

/// Reads all offers; none if the tree was never written to.
pub(super) fn read(tree: &sled::Tree) -> Result<Vec<StoredOffer>, TreeError> {
    let mut offers = Vec::new();
    side_tree::read(tree, ("offers", FORMAT), |key, value| {
        let unreadable = || format!("the offer {key:02x?} cannot be read");
        let (node, infohash) = read_key(key).ok_or_else(unreadable)?;
        let OfferRow { digest, name, piece_length } = rows::decode(value).ok_or_else(unreadable)?;
        let hint = TorrentHint { infohash, digest: Digest::from_bytes(digest), name, piece_length };
        hint.check().map_err(|error| format!("it contains an invalid offer: {error}"))?;
        offers.push(StoredOffer { node, hint });
        Ok(())
    })?;
    Ok(offers)
}

fn row(hint: &TorrentHint) -> OfferRow {
    OfferRow { digest: *hint.digest.as_bytes(), name: hint.name.clone(), piece_length: hint.piece_length }
}

fn key_bytes((node, infohash): &OfferKey) -> Vec<u8> {
    [node.as_bytes().as_slice(), infohash.as_bytes().as_slice()].concat()
}

fn read_key(bytes: &[u8]) -> Option<OfferKey> {
    let (node, infohash) = bytes.split_first_chunk::<32>()?;
    let infohash = <[u8; 20]>::try_from(infohash).ok()?;
    Some((NodeId::from_bytes(*node), Infohash::from_bytes(infohash)))
}
