//! How a torrent of a shared file is put together.

use std::path::Path;

use protocol::digest::Digest;
use protocol::metainfo::{DraftContent, DraftOptionalFields, Metainfo, MetainfoDraft, MetainfoError};
use tokio_util::sync::CancellationToken;

use super::SharedTorrentError;
use super::piece_hash_cache::{PieceHashCache, PieceLayout};
use crate::torrent::make::{MakeOptions, TorrentPlan};

/// Makes the torrent of a file under a name: of the hashes that are kept, or by reading the file. Blocks.
pub(super) fn build_metainfo(
    name: &str,
    cut: &PieceLayout,
    kept: &PieceHashCache,
    (location, cancel): (&Path, &CancellationToken),
) -> Result<Metainfo, SharedTorrentError> {
    if let Some(hashes) = kept.load(cut) {
        return Ok(encode_and_parse(&draft(name, cut), &hashes)?);
    }
    tracing::info!(
        digest = cut.digest.short(),
        piece_length = cut.piece_length,
        "hashing the pieces of a torrent"
    );
    let wish = MakeOptions {
        name: Some(name.to_owned()),
        piece_length: Some(cut.piece_length),
        ..MakeOptions::default()
    };
    let metainfo = Metainfo::parse(&TorrentPlan::scan(location, None)?.make(&wish, cancel, &mut |_| {})?)?;
    if metainfo.digest() != Some(cut.digest) {
        return Err(SharedTorrentError::Changed);
    }
    if let Err(error) = kept.save(cut, &piece_hashes(&metainfo)) {
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
    let cut = PieceLayout { digest, size: geometry.size(), piece_length: geometry.piece_length() };
    let draft = MetainfoDraft { tiers: vec![vec![url.to_owned()]], ..draft(metainfo.name(), &cut) };
    encode_and_parse(&draft, &piece_hashes(metainfo))
}

fn draft(name: &str, cut: &PieceLayout) -> MetainfoDraft {
    MetainfoDraft {
        name: name.to_owned(),
        piece_length: cut.piece_length,
        content: DraftContent::Single(cut.size),
        private: false,
        tiers: Vec::new(),
        optional: DraftOptionalFields {
            comment: None,
            created_by: Some(concat!("Peerdex ", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date: None,
            digest: Some(cut.digest),
        },
    }
}

fn encode_and_parse(draft: &MetainfoDraft, hashes: &[[u8; 20]]) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(&draft.encode(hashes)?)
}

fn piece_hashes(metainfo: &Metainfo) -> Vec<[u8; 20]> {
    metainfo.geometry().pieces().map(|piece| metainfo.piece_hash(piece)).collect()
}
