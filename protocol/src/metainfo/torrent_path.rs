use std::fmt::{Display, Formatter};

use crate::escape::display_safe;
use crate::share_path::safe_file_name;

/// The path of a file in a torrent: the torrent's name and the path below it, with `/` between the components.
///
/// Every component is a name that Linux can store; names that it cannot store were replaced by their
/// [`safe_file_name`]. It is displayed with [`display_safe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentPath {
    text: String,
    /// The file's storage name, if its own name conflicts with another file.
    stored_name: Option<Box<str>>,
    is_mapped: bool,
    has_duplicate: bool,
}

impl TorrentPath {
    /// Creates a path from checked components.
    pub(super) const fn new(text: String, is_mapped: bool) -> Self {
        Self { text, stored_name: None, is_mapped, has_duplicate: false }
    }

    /// Sets another storage name in the same folder.
    pub(super) fn store_as(&mut self, name: String) {
        self.stored_name = Some(name.into());
    }

    /// Records that an earlier file of the torrent has the same path.
    pub(super) const fn mark_duplicate(&mut self) {
        self.has_duplicate = true;
    }

    /// Returns the path, unescaped.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the components, from the torrent's name to the file name.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.text.split('/')
    }

    /// Returns the last component.
    pub fn file_name(&self) -> &str {
        self.text.rsplit_once('/').map_or(&self.text, |(_, name)| name)
    }

    /// Returns true if a component was mapped because it cannot be stored.
    pub const fn is_mapped(&self) -> bool {
        self.is_mapped
    }

    /// Returns the components of the storage path, each safe to create on any system. Storage paths are unique within
    /// a torrent and never those of a folder.
    pub fn stored_components(&self) -> impl Iterator<Item = String> {
        let (folders, name) = self.text.rsplit_once('/').unwrap_or(("", &self.text));
        let folders = folders.split('/').filter(|name| !name.is_empty()).map(safe_file_name);
        let name = self.stored_name.as_deref().map_or_else(|| safe_file_name(name), str::to_owned);
        folders.chain([name])
    }

    /// Returns the components under which another program would have stored the file, exactly as in the torrent;
    /// `None` if they cannot be stored, or are those of an earlier file.
    pub fn exact_components(&self) -> Option<impl Iterator<Item = &str>> {
        (!self.is_mapped && !self.has_duplicate).then(|| self.text.split('/'))
    }
}

impl Display for TorrentPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(&display_safe(&self.text))
    }
}
