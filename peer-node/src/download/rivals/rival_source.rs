use std::time::Duration;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::manifest::Manifest;

use crate::download::manifest_fetch::ContentOffer;

/// A source that does not offer what is believed.
#[derive(Debug, Clone, Copy)]
pub(in crate::download) struct RivalSource<'a> {
    pub(in crate::download) offer: ContentOffer,
    /// Whether it answers requests now.
    pub(in crate::download) is_serving: bool,
    /// The pieces that it has, if it does not have all.
    pub(in crate::download) pieces: Option<&'a [u8]>,
    /// The round-trip time of the path to it, if it is known.
    pub(in crate::download) rtt: Option<Duration>,
}

/// What is believed at the moment.
#[derive(Debug, Clone, Copy)]
pub(in crate::download) struct CurrentManifest<'a> {
    pub(in crate::download) manifest: &'a Manifest,
    /// The pieces that are here and right by it.
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
