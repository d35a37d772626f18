//! Builds the torrent of a shared file.

use std::path::Path;

use protocol::digest::Digest;
use protocol::metainfo::{DraftContent, DraftOptionalFields, Metainfo, MetainfoDraft, MetainfoError};
use tokio_util::sync::CancellationToken;

use super::SharedTorrentError;
use super::piece_hash_cache::{PieceHashCache, PieceLayout};
use crate::torrent::make::{MakeOptions, TorrentPlan};

/// Builds the torrent of a file: from cached hashes, or by reading the file. Blocks.
pub(super) fn build_metainfo(
    name: &str,
    layout: &PieceLayout,
    cache: &PieceHashCache,
    (location, cancel): (&Path, &CancellationToken),
) -> Result<Metainfo, SharedTorrentError> {
    if let Some(hashes) = cache.load(layout) {
        return Ok(encode_and_parse(&draft(name, layout), &hashes)?);
    }
    tracing::info!(
        digest = layout.digest.short(),
        piece_length = layout.piece_length,
        "hashing the pieces of a torrent"
    );
    let options = MakeOptions {
        name: Some(name.to_owned()),
        piece_length: Some(layout.piece_length),
        ..MakeOptions::default()
    };
    let metainfo =
        Metainfo::parse(&TorrentPlan::scan(location, None)?.make(&options, cancel, &mut |_| {})?)?;
    if metainfo.digest() != Some(layout.digest) {
        return Err(SharedTorrentError::Changed);
    }
    if let Err(error) = cache.save(layout, &piece_hashes(&metainfo)) {
        tracing::debug!(%error, "cannot save piece hashes");
    }
    Ok(metainfo)
}

/// Returns the same torrent with a tracker, which does not change the infohash.
pub(super) fn with_tracker(
    metainfo: &Metainfo,
    digest: Digest,
    url: &str,
) -> Result<Metainfo, MetainfoError> {
    let geometry = metainfo.geometry();
    let layout = PieceLayout { digest, size: geometry.size(), piece_length: geometry.piece_length() };
    let draft = MetainfoDraft { tiers: vec![vec![url.to_owned()]], ..draft(metainfo.name(), &layout) };
    encode_and_parse(&draft, &piece_hashes(metainfo))
}

fn draft(name: &str, layout: &PieceLayout) -> MetainfoDraft {
    MetainfoDraft {
        name: name.to_owned(),
        piece_length: layout.piece_length,
        content: DraftContent::Single(layout.size),
        private: false,
        tiers: Vec::new(),
        optional: DraftOptionalFields {
            comment: None,
            created_by: Some(concat!("Peerdex ", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date: None,
            digest: Some(layout.digest),
        },
    }
}

fn encode_and_parse(draft: &MetainfoDraft, hashes: &[[u8; 20]]) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(&draft.encode(hashes)?)
}

fn piece_hashes(metainfo: &Metainfo) -> Vec<[u8; 20]> {
    metainfo.geometry().pieces().map(|piece| metainfo.piece_hash(piece)).collect()
}
