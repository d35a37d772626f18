use super::error::{FilesFault, MetainfoError, PathFault};
use super::{fields, path, text};
use crate::bencode::{Items, Value};
use crate::limits::{MAX_FILE_SIZE, MAX_TORRENT_FILES};
use crate::share_path::SharePath;

/// How the names of padding began before BEP 47 was there.
const OLD_PADDING: &str = "_____padding_file_";

/// One file of a torrent, and where in the content it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpan {
    /// Its path: the torrent's name if it is the only file, otherwise that name and what lies below it. As the torrent
    /// has it, so not every system may create it under that name: see [`SharePath::safe_components`]. No two files
    /// have the same safe path, and none lies in another; that does not count padding.
    pub path: SharePath,
    /// Where in the content it begins.
    pub offset: u64,
    /// Its length in bytes, which may be 0.
    pub length: u64,
    /// Tells whether it is no file but zeros that let the next file begin with a piece (BEP 47).
    pub is_padding: bool,
}

/// Makes the only file of a torrent.
pub(super) fn single(name: &str, length: i64) -> Result<FileSpan, MetainfoError> {
    let length = checked_length(1, length, 0)?;
    let path = path::join([name]).map_err(MetainfoError::Name)?;
    Ok(FileSpan { path, offset: 0, length, is_padding: false })
}

/// Reads the list of files; symbolic links (BEP 47) are left out.
pub(super) fn read(name: &str, list: Items<'_>) -> Result<Vec<FileSpan>, MetainfoError> {
    if list.clone().take(MAX_TORRENT_FILES + 1).count() > MAX_TORRENT_FILES {
        return Err(FilesFault::TooMany.into());
    }
    let mut files: Vec<FileSpan> = Vec::new();
    let mut offset = 0;
    for (number, entry) in (1..).zip(list) {
        if let Some(file) = file(name, number, entry, offset)? {
            offset += file.length;
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FilesFault::None.into());
    }
    path::refuse_collisions(&files)?;
    Ok(files)
}

fn file(
    torrent: &str,
    number: usize,
    entry: Value<'_>,
    offset: u64,
) -> Result<Option<FileSpan>, MetainfoError> {
    let [length, path, path_utf8, attr] =
        fields::known(entry, "files", ["length", "path", "path.utf-8", "attr"])?;
    let length = checked_length(number, fields::integer(length, "length")?, offset)?;
    let attributes = attr.and_then(|attr| attr.as_bytes()).unwrap_or_default();
    if attributes.contains(&b'l') && length == 0 {
        return Ok(None);
    }
    let fault = |fault| MetainfoError::Path { file: number, fault };
    let components = components(path, path_utf8)?;
    let is_old_padding = components.last().is_some_and(|name| name.starts_with(OLD_PADDING));
    let is_padding = attributes.contains(&b'p') || is_old_padding;
    let path = if is_padding {
        // Padding is never created, and its own names are often the same.
        path::join([torrent, ".pad", &length.to_string()]).map_err(fault)?
    } else if components.is_empty() {
        return Err(fault(PathFault::None));
    } else {
        path::join([torrent].into_iter().chain(components.iter().map(|name| &**name))).map_err(fault)?
    };
    Ok(Some(FileSpan { path, offset, length, is_padding }))
}

/// Returns the components of a path below the torrent's folder, from `path.utf-8` if that is what it says.
fn components<'a>(
    path: Option<Value<'a>>,
    utf8: Option<Value<'a>>,
) -> Result<Vec<std::borrow::Cow<'a, str>>, MetainfoError> {
    if let Some(names) = utf8.and_then(|path| path.as_list()) {
        let names: Option<Vec<_>> = names.map(|name| name.as_text().map(Into::into)).collect();
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            return Ok(names);
        }
    }
    let names = fields::list(path, "path")?;
    names.map(|name| fields::bytes(Some(name), "path").map(text::text)).collect()
}

/// Returns a length that is none below 0 and does not make the content too large.
fn checked_length(file: usize, length: i64, offset: u64) -> Result<u64, FilesFault> {
    let Ok(length) = u64::try_from(length) else {
        return Err(FilesFault::NegativeLength { file, length });
    };
    match offset.checked_add(length) {
        Some(end) if end <= MAX_FILE_SIZE => Ok(length),
        _ => Err(FilesFault::TooLarge { file }),
    }
}
