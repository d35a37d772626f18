//! Builds the path of each file of a torrent, independently of the other files.

use std::borrow::Cow;

use super::error::PathFault;
use super::torrent_path::TorrentPath;
use crate::escape::excerpt;
use crate::limits::MAX_TORRENT_DEPTH;
use crate::share_path::{SharePath, is_file_name, safe_file_name};

/// Returns a storable name, and true if it was mapped from an unstorable one.
pub(super) fn storable_component(name: Cow<'_, str>) -> (Cow<'_, str>, bool) {
    if is_file_name(&name) { (name, false) } else { (Cow::Owned(safe_file_name(&name)), true) }
}

/// Returns the path of the only file.
pub(super) fn single_file_path(name: &str, is_mapped: bool) -> TorrentPath {
    TorrentPath::new(name.to_owned(), is_mapped)
}

/// Returns the path of a padding file. The torrent's own names for padding are often duplicates, and padding is never
/// stored.
pub(super) fn padding_path(torrent: &str, length: u64) -> TorrentPath {
    TorrentPath::new(format!("{torrent}/.pad/{length}"), false)
}

/// Returns the path of a file below the torrent's folder.
pub(super) fn path_below<'a>(
    (torrent, is_mapped): (&str, bool),
    names: impl IntoIterator<Item = Cow<'a, str>>,
) -> Result<TorrentPath, PathFault> {
    let (mut text, mut is_mapped, mut depth) = (torrent.to_owned(), is_mapped, 0);
    for name in names {
        depth += 1;
        if depth > MAX_TORRENT_DEPTH {
            return Err(PathFault::TooDeep { limit: MAX_TORRENT_DEPTH });
        }
        let (name, is_mapped_name) = storable_component(name);
        is_mapped |= is_mapped_name;
        text.push('/');
        text.push_str(&name);
    }
    if depth == 0 { Err(PathFault::Missing) } else { Ok(TorrentPath::new(text, is_mapped)) }
}

/// Refuses a name that a torrent must not be encoded with, because parsing would map it to another name.
pub(super) fn check_outgoing_name(name: &str) -> Result<(), PathFault> {
    if name.contains('/') {
        return Err(PathFault::Separator { component: excerpt(name) });
    }
    Ok(SharePath::parse(name).map(drop)?)
}
