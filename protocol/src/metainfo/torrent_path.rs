use std::fmt::{Display, Formatter};

use crate::escape::display_safe;
use crate::share_path::safe_file_name;

/// Names a file of a torrent: the torrent's name and what lies below it, with `/` between the components.
///
/// Every component is a name that Linux can store. One that the torrent has and Linux cannot store was replaced by its
/// [`safe_file_name`]. It is shown with [`display_safe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentPath {
    text: String,
    /// The name under which the file is stored, if its place belongs to another file.
    stored_name: Option<Box<str>>,
    is_mapped: bool,
    has_duplicate: bool,
}

impl TorrentPath {
    /// Makes a path of components that were judged.
    pub(super) const fn new(text: String, is_mapped: bool) -> Self {
        Self { text, stored_name: None, is_mapped, has_duplicate: false }
    }

    /// Gives the file another place, in the same folder.
    pub(super) fn store_as(&mut self, name: String) {
        self.stored_name = Some(name.into());
    }

    /// Notes that an earlier file of the torrent has the same path.
    pub(super) const fn mark_duplicate(&mut self) {
        self.has_duplicate = true;
    }

    /// Returns the path, unescaped.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the components from the torrent's name to the file's.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.text.split('/')
    }

    /// Returns the last component.
    pub fn file_name(&self) -> &str {
        self.text.rsplit_once('/').map_or(&self.text, |(_, name)| name)
    }

    /// Returns true if the torrent has another path, of which a component cannot be stored.
    pub const fn is_mapped(&self) -> bool {
        self.is_mapped
    }

    /// Returns the names under which the file is stored, each safe to create on any system. No two files of a torrent have
    /// the same, and none has those of a folder.
    pub fn stored_components(&self) -> impl Iterator<Item = String> {
        let (folders, name) = self.text.rsplit_once('/').unwrap_or(("", &self.text));
        let folders = folders.split('/').filter(|name| !name.is_empty()).map(safe_file_name);
        let name = self.stored_name.as_deref().map_or_else(|| safe_file_name(name), str::to_owned);
        folders.chain([name])
    }

    /// Returns the names under which another program may have stored the file as the torrent has it; none if they could not
    /// be stored, or are those of an earlier file.
    pub fn exact_components(&self) -> Option<impl Iterator<Item = &str>> {
        (!self.is_mapped && !self.has_duplicate).then(|| self.text.split('/'))
    }
}

impl Display for TorrentPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(&display_safe(&self.text))
    }
}
