//! Metainfo: what a `.torrent` says (BEP 3, "metainfo files"; BEP 12, 27 and 47 for tiers, `private` and padding).
//!
//! A [`Metainfo`] exists only if the whole of it was judged: its pieces fit its size, its size fits its files, each file
//! has a path that cannot leave its folder and a place there that no other file has. Names that cannot be stored, and
//! places that two files would share, are mapped. The infohash is made of the bytes of `info` as they stand there,
//! whatever else is odd about them. A [`MetainfoDraft`] is the way back: it writes a `.torrent`, the `info` of which
//! is the one that mktorrent makes of the same content.
//!
//! What a torrent of version 2 (BEP 52) adds is left alone: a hybrid is read as the version 1 that it also is, and one
//! that is not version 1 at all is refused.

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

/// What a `.torrent` says, judged whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    bytes: Vec<u8>,
    info: InfoDictionary,
    tiers: Vec<Vec<String>>,
    optional: OptionalFields,
    irregularity: Option<BencodeError>,
}

impl Metainfo {
    /// Reads a `.torrent` and judges it, or says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        Self::read(bytes, TextDecoder::for_label)
    }

    /// Returns the torrent as releases read it that did not know the key `encoding`; nothing if its names are the same.
    /// What such a release has left on the disk lies under those names.
    pub fn with_legacy_names(&self) -> Option<Self> {
        let root = parse_lenient(&self.bytes).ok()?;
        let is_told =
            root.get("encoding")?.as_bytes().is_some_and(|label| TextDecoder::for_label(label).is_declared());
        let before = Self::read(&self.bytes, |_| TextDecoder::PLAIN).ok().filter(|_| is_told)?;
        (before.info != self.info).then_some(before)
    }

    fn read(bytes: &[u8], reader: fn(&[u8]) -> TextDecoder) -> Result<Self, MetainfoError> {
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
        let texts = label.map_or(TextDecoder::PLAIN, reader);
        let info = InfoDictionary::read(info.ok_or(MetainfoError::Missing { key: "info" })?, texts)?;
        let notes = OptionalFields::read(root, info.is_single_file, texts)?;
        let tiers = trackers::tiers(announce, announce_list);
        Ok(Self { bytes: bytes.to_vec(), info, tiers, optional: notes, irregularity })
    }

    /// Returns the torrent's name on the network: the SHA-1 of the original bytes of `info`.
    pub const fn infohash(&self) -> Infohash {
        self.info.infohash
    }

    /// Returns the whole `.torrent` as it was.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the name of the file, or of the folder that holds the files: a single component that Linux can store.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Returns how the content is cut; the content is all files, one behind the other.
    pub const fn geometry(&self) -> &Geometry {
        &self.info.geometry
    }

    /// Returns the SHA-1 that a piece must have.
    pub fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        let hashes = self.bytes.get(self.info.hashes.clone()).unwrap_or_default();
        hashes.as_chunks().0.get(piece.as_usize()).copied().unwrap_or_default()
    }

    /// Tells whether the bytes, given in parts one behind the other, are those of the piece.
    pub fn verify_piece<'a>(&self, piece: PieceIndex, parts: impl IntoIterator<Item = &'a [u8]>) -> bool {
        self.verify_pieces([(piece, parts)]) == [true]
    }

    /// Says of each piece whether the bytes of its parts, one after the other, are that piece. Several at once take much
    /// less time than one by one, because they are hashed side by side;
    /// [`min_batch_len`](crate::block_hash::batch::worth_together) says how many are best.
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

    /// Returns the files in the order in which the content holds them.
    pub fn files(&self) -> &[FileSpan] {
        &self.info.files
    }

    /// Tells whether the content is one file that lies in no folder of the torrent's.
    pub const fn is_single_file(&self) -> bool {
        self.info.is_single_file
    }

    /// Tells whether peers may come from the torrent's trackers alone (BEP 27).
    pub const fn is_private(&self) -> bool {
        self.info.is_private
    }

    /// Tells whether it is a torrent of version 2 as well, of which version 1 is used.
    pub const fn is_hybrid(&self) -> bool {
        self.info.is_hybrid
    }

    /// Returns the trackers' addresses: those of `announce-list` by tier, or `announce` as the only one. At most
    /// [`MAX_TRACKERS`](crate::limits::MAX_TRACKERS); no tier is empty, and no address stands twice.
    pub fn tiers(&self) -> &[Vec<String>] {
        &self.tiers
    }

    /// Returns true if it names web seeds (BEP 17, BEP 19), which are not used here.
    pub const fn has_web_seeds(&self) -> bool {
        self.optional.has_web_seeds
    }

    /// Returns true if it names nodes of the DHT (BEP 5), which are not used here.
    pub const fn has_nodes(&self) -> bool {
        self.optional.has_nodes
    }

    /// Returns the SHA-256 that the torrent's maker says the only file has: a hint, which nothing has proven.
    pub const fn digest(&self) -> Option<Digest> {
        self.optional.digest
    }

    /// Returns the maker's remark.
    pub fn comment(&self) -> Option<&str> {
        self.optional.comment.as_deref()
    }

    /// Returns the name of the program that made it.
    pub fn created_by(&self) -> Option<&str> {
        self.optional.created_by.as_deref()
    }

    /// Returns when it was made, in seconds since 1970.
    pub const fn creation_date(&self) -> Option<u64> {
        self.optional.creation_date
    }

    /// Returns the encoding that its maker says its texts have.
    pub fn encoding(&self) -> Option<&str> {
        self.optional.encoding.as_deref()
    }

    /// Returns what keeps it from being canonical bencode, if anything does.
    pub const fn irregularity(&self) -> Option<BencodeError> {
        self.irregularity
    }
}
