//! Names that release 0.1.0 accepts.

use protocol::index::TorrentHint;
use protocol::share_path::SharePath;

/// Returns true if release 0.1.0 accepts the name.
pub(super) fn is_basic(name: &str) -> bool {
    SharePath::parse(name).is_ok_and(|path| path.is_basic())
}

/// Removes the other names.
pub(super) fn retain_basic(names: &mut Vec<String>) {
    names.retain(|name| is_basic(name));
}

/// Removes the hints whose torrents have other names.
pub(crate) fn retain_basic_hints(hints: &mut Vec<TorrentHint>) {
    hints.retain(|hint| is_basic(&hint.name));
}
