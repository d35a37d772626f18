//! Metainfo: the content of a `.torrent` (BEP 3, "metainfo files"; BEP 12, 27 and 47 for tiers, `private` and
//! padding).
//!
//! A [`Metainfo`] exists only if it is valid as a whole: its pieces match its size, its size matches its files, and
//! each file has a unique storage path that cannot leave its folder. Names that cannot be stored, and conflicting
//! paths, are mapped. The infohash is computed from the original bytes of `info`, whatever their irregularities. In
//! the other direction, a [`MetainfoDraft`] encodes a `.torrent` whose `info` is identical to the one that mktorrent
//! creates for the same content.
//!
//! The additions of version 2 (BEP 52) are ignored: a hybrid torrent is read as version 1, and a torrent of version 2
//! only is refused.

mod draft;
mod error;
mod fields;
mod files;
mod info;
mod optional_fields;
mod path;
mod storage_names;
#[cfg(test)]
mod tests;
mod text_decoder;
mod torrent_path;
mod trackers;

pub use draft::{DraftContent, DraftFile, DraftOptionalFields, MetainfoDraft};
pub use error::{FilesFault, MetainfoError, PathFault, PiecesFault};
pub use files::FileSpan;
pub use torrent_path::TorrentPath;

use crate::bencode::{BencodeError, parse, parse_lenient};
use crate::digest::Digest;
use crate::geometry::{Geometry, PieceIndex};
use crate::infohash::Infohash;
use crate::limits::MAX_TORRENT;
use crate::sha1::sha1_all;
use info::InfoDictionary;
use optional_fields::OptionalFields;
use text_decoder::TextDecoder;

/// The validated content of a `.torrent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    bytes: Vec<u8>,
    info: InfoDictionary,
    tiers: Vec<Vec<String>>,
    optional: OptionalFields,
    irregularity: Option<BencodeError>,
}

impl Metainfo {
    /// Parses and validates a `.torrent`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        Self::read(bytes, TextDecoder::for_label)
    }

    /// Returns the torrent as parsed by releases that did not support the key `encoding`, whose downloads are stored
    /// under those names; `None` if the names are the same.
    pub fn with_legacy_names(&self) -> Option<Self> {
        let root = parse_lenient(&self.bytes).ok()?;
        let is_declared =
            root.get("encoding")?.as_bytes().is_some_and(|label| TextDecoder::for_label(label).is_declared());
        let legacy = Self::read(&self.bytes, |_| TextDecoder::PLAIN).ok().filter(|_| is_declared)?;
        (legacy.info != self.info).then_some(legacy)
    }

    fn read(bytes: &[u8], decoder_for: fn(&[u8]) -> TextDecoder) -> Result<Self, MetainfoError> {
        if bytes.len() > MAX_TORRENT {
            return Err(MetainfoError::TooLarge { bytes: bytes.len() });
        }
        let (root, irregularity) = match parse(bytes) {
            Ok(root) => (root, None),
            Err(error) => (parse_lenient(bytes)?, Some(error)),
        };
        let [info, announce, announce_list, encoding] =
            fields::known_values(root, "the torrent", ["info", "announce", "announce-list", "encoding"])?;
        let label = encoding.and_then(|encoding| encoding.as_bytes());
        let texts = label.map_or(TextDecoder::PLAIN, decoder_for);
        let info = InfoDictionary::read(info.ok_or(MetainfoError::Missing { key: "info" })?, texts)?;
        let optional = OptionalFields::read(root, info.is_single_file, texts)?;
        let tiers = trackers::tiers(announce, announce_list);
        Ok(Self { bytes: bytes.to_vec(), info, tiers, optional, irregularity })
    }

    /// Returns the infohash, which identifies the torrent: the SHA-1 of the original bytes of `info`.
    pub const fn infohash(&self) -> Infohash {
        self.info.infohash
    }

    /// Returns the original bytes of the `.torrent`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the name of the file, or of the folder that contains the files: a single path component that Linux can
    /// store.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Returns the geometry of the content, which is the concatenation of all files.
    pub const fn geometry(&self) -> &Geometry {
        &self.info.geometry
    }

    /// Returns the expected SHA-1 of a piece.
    pub fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        let hashes = self.bytes.get(self.info.hashes.clone()).unwrap_or_default();
        hashes.as_chunks().0.get(piece.as_usize()).copied().unwrap_or_default()
    }

    /// Returns true if the concatenated parts are the bytes of the piece.
    pub fn verify_piece<'a>(&self, piece: PieceIndex, parts: impl IntoIterator<Item = &'a [u8]>) -> bool {
        self.verify_pieces([(piece, parts)]) == [true]
    }

    /// Returns for each piece whether its concatenated parts are the bytes of the piece. A batch is much faster than
    /// single calls, because its pieces are hashed in parallel;
    /// [`min_batch_len`](crate::block_hash::batch::min_batch_len) returns the best batch size.
    pub fn verify_pieces<'a, P>(&self, pieces: impl IntoIterator<Item = (PieceIndex, P)>) -> Vec<bool>
    where
        P: IntoIterator<Item = &'a [u8]>,
    {
        let (indexes, messages): (Vec<_>, Vec<Vec<&[u8]>>) =
            pieces.into_iter().map(|(piece, parts)| (piece, parts.into_iter().collect())).unzip();
        let lengths: Vec<usize> =
            messages.iter().map(|parts| parts.iter().map(|part| part.len()).sum()).collect();
        let hashes = sha1_all(messages).into_iter().zip(lengths);
        let is_right = |(piece, (hash, length)): (PieceIndex, ([u8; 20], usize))| {
            length == self.info.geometry.length_of(piece) as usize && hash == self.piece_hash(piece)
        };
        indexes.into_iter().zip(hashes).map(is_right).collect()
    }

    /// Returns the files in the order of the content.
    pub fn files(&self) -> &[FileSpan] {
        &self.info.files
    }

    /// Returns true if the content is a single file without a folder.
    pub const fn is_single_file(&self) -> bool {
        self.info.is_single_file
    }

    /// Returns true if peers may only come from the torrent's trackers (BEP 27).
    pub const fn is_private(&self) -> bool {
        self.info.is_private
    }

    /// Returns true if it is a hybrid of version 1, which is used, and version 2.
    pub const fn is_hybrid(&self) -> bool {
        self.info.is_hybrid
    }

    /// Returns the tracker URLs by tier: those of `announce-list`, or else the single one of `announce`. At most
    /// [`MAX_TRACKERS`](crate::limits::MAX_TRACKERS) URLs, without duplicates and empty tiers.
    pub fn tiers(&self) -> &[Vec<String>] {
        &self.tiers
    }

    /// Returns true if it names web seeds (BEP 17, BEP 19), which are not supported.
    pub const fn has_web_seeds(&self) -> bool {
        self.optional.has_web_seeds
    }

    /// Returns true if it names DHT nodes (BEP 5), which are not supported.
    pub const fn has_nodes(&self) -> bool {
        self.optional.has_nodes
    }

    /// Returns the claimed SHA-256 of the only file: an unverified hint by the torrent's creator.
    pub const fn digest(&self) -> Option<Digest> {
        self.optional.digest
    }

    /// Returns the comment.
    pub fn comment(&self) -> Option<&str> {
        self.optional.comment.as_deref()
    }

    /// Returns the name of the program that created it.
    pub fn created_by(&self) -> Option<&str> {
        self.optional.created_by.as_deref()
    }

    /// Returns the creation time, in seconds since 1970.
    pub const fn creation_date(&self) -> Option<u64> {
        self.optional.creation_date
    }

    /// Returns the declared encoding of its texts.
    pub fn encoding(&self) -> Option<&str> {
        self.optional.encoding.as_deref()
    }

    /// Returns why the `.torrent` is not canonical bencode, if it is not.
    pub const fn irregularity(&self) -> Option<BencodeError> {
        self.irregularity
    }
}
