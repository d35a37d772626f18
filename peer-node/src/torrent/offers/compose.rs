//! How a torrent of a shared file is put together.

use std::path::Path;

use protocol::digest::Digest;
use protocol::metainfo::{Draft, DraftContent, DraftNotes, Metainfo, MetainfoError};
use tokio_util::sync::CancellationToken;

use super::OfferError;
use super::piece_hashes::{Cut, PieceHashes};
use crate::torrent::make::{Plan, Wish};

/// Makes the torrent of a file under a name: of the hashes that are kept, or by reading the file. Blocks.
pub(super) fn make(
    name: &str,
    cut: &Cut,
    kept: &PieceHashes,
    (location, cancel): (&Path, &CancellationToken),
) -> Result<Metainfo, OfferError> {
    if let Some(hashes) = kept.load(cut) {
        return Ok(compose(&draft(name, cut), &hashes)?);
    }
    tracing::info!(
        digest = cut.digest.short(),
        piece_length = cut.piece_length,
        "hashing the pieces of a torrent"
    );
    let wish = Wish { name: Some(name.to_owned()), piece_length: Some(cut.piece_length), ..Wish::default() };
    let metainfo = Metainfo::parse(&Plan::of(location, None)?.make(&wish, cancel, &mut |_| {})?)?;
    if metainfo.digest() != Some(cut.digest) {
        return Err(OfferError::Changed);
    }
    if let Err(error) = kept.save(cut, &hashes(&metainfo)) {
        tracing::debug!(%error, "hashes of pieces not kept");
    }
    Ok(metainfo)
}

/// Writes the same torrent with a tracker, which is no part of its infohash.
pub(super) fn with_tracker(
    metainfo: &Metainfo,
    digest: Digest,
    url: &str,
) -> Result<Metainfo, MetainfoError> {
    let geometry = metainfo.geometry();
    let cut = Cut { digest, size: geometry.size(), piece_length: geometry.piece_length() };
    let draft = Draft { tiers: vec![vec![url.to_owned()]], ..draft(metainfo.name(), &cut) };
    compose(&draft, &hashes(metainfo))
}

fn draft(name: &str, cut: &Cut) -> Draft {
    Draft {
        name: name.to_owned(),
        piece_length: cut.piece_length,
        content: DraftContent::Single(cut.size),
        private: false,
        tiers: Vec::new(),
        notes: DraftNotes {
            comment: None,
            created_by: Some(concat!("Peerdex ", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date: None,
            digest: Some(cut.digest),
        },
    }
}

fn compose(draft: &Draft, hashes: &[[u8; 20]]) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(&draft.encode(hashes)?)
}

fn hashes(metainfo: &Metainfo) -> Vec<[u8; 20]> {
    metainfo.geometry().pieces().map(|piece| metainfo.piece_hash(piece)).collect()
}
