use std::time::Duration;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::manifest::Manifest;

use crate::download::manifest_fetch::ContentOffer;

/// A source whose offer differs from the current manifest.
#[derive(Debug, Clone, Copy)]
pub(in crate::download) struct RivalSource<'a> {
    pub(in crate::download) offer: ContentOffer,
    /// Whether it serves requests now.
    pub(in crate::download) is_serving: bool,
    /// Its pieces; `None` means all.
    pub(in crate::download) pieces: Option<&'a [u8]>,
    /// Round-trip time of the path to it, if known.
    pub(in crate::download) rtt: Option<Duration>,
}

/// The current manifest.
#[derive(Debug, Clone, Copy)]
pub(in crate::download) struct CurrentManifest<'a> {
    pub(in crate::download) manifest: &'a Manifest,
    /// The pieces on disk that are valid under it.
    pub(in crate::download) have: &'a Bitfield,
}

impl RivalSource<'_> {
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        let byte =
            |pieces: &[u8]| usize::try_from(piece.get() / 8).ok().and_then(|at| pieces.get(at).copied());
        self.pieces
            .is_none_or(|pieces| byte(pieces).is_some_and(|byte| byte & (0x80 >> (piece.get() % 8)) != 0))
    }
}
