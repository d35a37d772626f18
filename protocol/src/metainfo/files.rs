use std::borrow::Cow;

use super::error::{FilesFault, MetainfoError};
use super::text_decoder::TextDecoder;
use super::torrent_path::TorrentPath;
use super::{fields, path, storage_names};
use crate::bencode::{Items, Value};
use crate::limits::{MAX_FILE_SIZE, MAX_TORRENT_FILES};

/// The name prefix of padding files before BEP 47.
const LEGACY_PADDING_PREFIX: &str = "_____padding_file_";

/// One file of a torrent, and its range in the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpan {
    /// Its path: the torrent's name, followed by the path below it unless it is the only file. Its storage path is
    /// [`TorrentPath::stored_components`]: unique among the torrent's files and never that of a folder, except for
    /// padding.
    pub path: TorrentPath,
    /// Its offset in the content.
    pub offset: u64,
    /// Its length in bytes, which may be 0.
    pub length: u64,
    /// True if it is not a file but padding zeros that align the next file to a piece (BEP 47).
    pub is_padding: bool,
}

/// The name of a torrent, and true if it was mapped from an unstorable name.
pub(super) type TorrentName<'a> = (&'a str, bool);

/// Creates the only file of a torrent.
pub(super) fn single_file(
    (name, is_mapped): TorrentName<'_>,
    length: i64,
) -> Result<FileSpan, MetainfoError> {
    let length = checked_length(1, length, 0)?;
    Ok(FileSpan { path: path::single_file_path(name, is_mapped), offset: 0, length, is_padding: false })
}

/// Parses the list of files; symbolic links (BEP 47) are skipped.
pub(super) fn read(
    name: TorrentName<'_>,
    list: Items<'_>,
    texts: TextDecoder,
) -> Result<Vec<FileSpan>, MetainfoError> {
    if list.clone().take(MAX_TORRENT_FILES + 1).count() > MAX_TORRENT_FILES {
        return Err(FilesFault::TooManyFiles.into());
    }
    let mut files: Vec<FileSpan> = Vec::new();
    let mut offset = 0;
    for (number, entry) in (1..).zip(list) {
        if let Some(file) = file(name, number, entry, offset, texts)? {
            offset += file.length;
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FilesFault::Empty.into());
    }
    storage_names::resolve_conflicts(&mut files);
    Ok(files)
}

/// Parses one entry of the list. A symbolic link may lack all other keys and has no content, whatever its length
/// field; padding may lack its path, and its length if it is 0.
fn file(
    torrent: TorrentName<'_>,
    number: usize,
    entry: Value<'_>,
    offset: u64,
    texts: TextDecoder,
) -> Result<Option<FileSpan>, MetainfoError> {
    let [length, path, path_utf8, attr] =
        fields::known_values(entry, "files", ["length", "path", "path.utf-8", "attr"])?;
    let attributes = attr.and_then(|attr| attr.as_bytes()).unwrap_or_default();
    if attributes.contains(&b'l') {
        return Ok(None);
    }
    let is_padding = attributes.contains(&b'p');
    let length = match length {
        None if is_padding => 0,
        length => checked_length(number, fields::integer(length, "length")?, offset)?,
    };
    let padding =
        || FileSpan { path: path::padding_path(torrent.0, length), offset, length, is_padding: true };
    if is_padding {
        return Ok(Some(padding()));
    }
    let components = components(path, path_utf8, texts)?;
    if components.last().is_some_and(|name| name.starts_with(LEGACY_PADDING_PREFIX)) {
        return Ok(Some(padding()));
    }
    let path = path::path_below(torrent, components);
    let path = path.map_err(|fault| MetainfoError::Path { file: number, fault })?;
    Ok(Some(FileSpan { path, offset, length, is_padding: false }))
}

/// Returns the components of a path below the torrent's folder, from `path.utf-8` if that is valid UTF-8.
fn components<'a>(
    path: Option<Value<'a>>,
    utf8: Option<Value<'a>>,
    texts: TextDecoder,
) -> Result<Vec<Cow<'a, str>>, MetainfoError> {
    if let Some(names) = utf8.and_then(|path| path.as_list()) {
        let names: Option<Vec<_>> = names.map(|name| name.as_text().map(Into::into)).collect();
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            return Ok(names);
        }
    }
    let names = fields::list(path, "path")?;
    names.map(|name| fields::bytes(Some(name), "path").map(|bytes| texts.decode(bytes))).collect()
}

/// Returns the length if it is not negative and does not take the content over the size limit.
fn checked_length(file: usize, length: i64, offset: u64) -> Result<u64, FilesFault> {
    let Ok(length) = u64::try_from(length) else {
        return Err(FilesFault::NegativeLength { file, length });
    };
    match offset.checked_add(length) {
        Some(end) if end <= MAX_FILE_SIZE => Ok(length),
        _ => Err(FilesFault::TooLarge { file }),
    }
}
