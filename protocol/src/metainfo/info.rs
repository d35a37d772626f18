use std::ops::Range;

use super::error::{FilesFault, MetainfoError, PiecesFault};
use super::files::{self, FileSpan};
use super::text_decoder::TextDecoder;
use super::{fields, path};
use crate::bencode::Value;
use crate::geometry::Geometry;
use crate::infohash::Infohash;
use crate::limits::{MAX_FILE_SIZE, MAX_TORRENT_PIECE};

const KEYS: [&str; 9] = [
    "name",
    "name.utf-8",
    "piece length",
    "pieces",
    "length",
    "files",
    "private",
    "meta version",
    "file tree",
];

/// The validated `info` dictionary, which describes the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InfoDictionary {
    pub(super) infohash: Infohash,
    pub(super) name: String,
    pub(super) geometry: Geometry,
    /// The range of the piece hashes in the `.torrent`.
    pub(super) hashes: Range<usize>,
    pub(super) files: Vec<FileSpan>,
    pub(super) is_single_file: bool,
    pub(super) is_private: bool,
    pub(super) is_hybrid: bool,
}

impl InfoDictionary {
    pub(super) fn read(info: Value<'_>, texts: TextDecoder) -> Result<Self, MetainfoError> {
        let [name, name_utf8, piece_length, pieces, length, list, private, version, tree] =
            fields::known_values(info, "info", KEYS)?;
        if pieces.is_none() && (version.is_some() || tree.is_some()) {
            return Err(MetainfoError::VersionTwo);
        }
        let (name, is_mapped) = torrent_name(name, name_utf8, texts)?;
        let files = match (length, list) {
            (Some(_), Some(_)) => return Err(FilesFault::LengthAndFiles.into()),
            (None, Some(_)) => files::read((&name, is_mapped), fields::list(list, "files")?, texts)?,
            (_, None) => vec![files::single_file((&name, is_mapped), fields::integer(length, "length")?)?],
        };
        let size = files.last().map_or(0, |last| last.offset + last.length);
        let geometry = geometry(size, fields::integer(piece_length, "piece length")?)?;
        Ok(Self {
            infohash: Infohash::of(info.span()),
            name,
            hashes: hashes(pieces, &geometry)?,
            geometry,
            files,
            is_single_file: length.is_some(),
            is_private: private.is_some_and(is_truthy),
            is_hybrid: version.is_some() || tree.is_some(),
        })
    }
}

/// Returns the torrent's name as one storable path component, and true if it was mapped.
fn torrent_name(
    name: Option<Value<'_>>,
    utf8: Option<Value<'_>>,
    texts: TextDecoder,
) -> Result<(String, bool), MetainfoError> {
    let name = match utf8.and_then(|name| name.as_text()).filter(|name| !name.is_empty()) {
        Some(name) => name.into(),
        None => texts.decode(fields::bytes(name, "name")?),
    };
    let (name, is_mapped) = path::storable_component(name);
    Ok((name.into_owned(), is_mapped))
}

/// Parses a flag that some programs write as a text. Any other type means true: treating a public torrent as private
/// does less harm than the reverse.
fn is_truthy(flag: Value<'_>) -> bool {
    match (flag.as_integer(), flag.as_bytes()) {
        (Some(number), _) => number != 0,
        (_, Some(text)) => !matches!(text.trim_ascii(), b"" | b"0"),
        _ => true,
    }
}

fn geometry(size: u64, length: i64) -> Result<Geometry, MetainfoError> {
    if size == 0 {
        return Err(FilesFault::NoContent.into());
    }
    let piece_length = u32::try_from(length).ok().filter(|length| (1..=MAX_TORRENT_PIECE).contains(length));
    let piece_length = piece_length.ok_or(PiecesFault::Length { length })?;
    Geometry::new(size, piece_length).map_err(|_| {
        // The number of pieces overflows, so it certainly exceeds the number of hashes.
        let expected = size.min(MAX_FILE_SIZE).div_ceil(piece_length.into());
        PiecesFault::Count { found: 0, expected, size, piece_length }.into()
    })
}

/// Returns the range of the hashes; their number must be the number of pieces.
fn hashes(pieces: Option<Value<'_>>, geometry: &Geometry) -> Result<Range<usize>, MetainfoError> {
    let bytes = fields::bytes(pieces, "pieces")?;
    if !bytes.len().is_multiple_of(20) {
        return Err(PiecesFault::PartialHash { bytes: bytes.len() }.into());
    }
    let (found, expected) = (bytes.len() / 20, geometry.piece_count());
    if found as u64 != u64::from(expected) {
        let (size, piece_length) = (geometry.size(), geometry.piece_length());
        return Err(PiecesFault::Count { found, expected: expected.into(), size, piece_length }.into());
    }
    let end = pieces.map_or(0, |pieces| pieces.offset() + pieces.span().len());
    Ok(end - bytes.len()..end)
}
