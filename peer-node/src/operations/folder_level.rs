use std::collections::BTreeMap;

use protocol::index::{FileRecord, Share};
use serde::Serialize;

use super::content::ListedContent;
use super::natural_order::natural_order;
use super::safe_name::SafeName;

/// A direct entry of a folder of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum FolderEntry {
    /// A folder.
    Folder {
        /// The path.
        path: SafeName,
        /// The number of files below it.
        files: u64,
        /// The total size of these files.
        bytes: u64,
    },
    /// A file.
    File(PeerFile),
}

/// A file of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PeerFile {
    /// The content and path.
    #[serde(flatten)]
    pub(crate) content: ListedContent,
    /// Whether the peer has only a part of it.
    pub(crate) is_partial: bool,
}

impl From<&FileRecord> for PeerFile {
    fn from(record: &FileRecord) -> Self {
        Self { content: ListedContent::from(record), is_partial: record.share == Share::Partial }
    }
}

/// The direct entries of a folder, collected from all files below it.
#[derive(Debug, Default)]
pub(super) struct FolderLevel {
    /// The path of the folder with a trailing `/`; empty for the root.
    folder: String,
    /// The number of files and bytes below each subfolder, by name.
    folders: BTreeMap<String, (u64, u64)>,
    files: Vec<FileRecord>,
}

impl FolderLevel {
    /// Returns an empty level for a folder.
    pub(super) fn new(folder: Option<&str>) -> Self {
        let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        Self { folder, ..Self::default() }
    }

    /// Adds a file; returns false if it is not below the folder.
    pub(super) fn add(&mut self, file: FileRecord) -> bool {
        let Some(below) = file.path.strip_prefix(&self.folder) else { return false };
        match below.split_once('/') {
            Some((name, _)) => {
                let (files, bytes) = self.folders.entry(name.to_owned()).or_default();
                (*files, *bytes) = (*files + 1, bytes.saturating_add(file.size));
            }
            None => self.files.push(file),
        }
        true
    }

    /// Returns the entries: folders before files, each in natural order.
    pub(super) fn entries(mut self) -> Vec<FolderEntry> {
        let mut folders: Vec<_> = self.folders.into_iter().collect();
        folders.sort_by(|(one, _), (other, _)| natural_order(one, other));
        self.files.sort_by(|one, other| natural_order(&one.path, &other.path));
        let folder = |(name, (files, bytes))| FolderEntry::Folder {
            path: format!("{}{name}", self.folder).into(),
            files,
            bytes,
        };
        let files = self.files.iter().map(|file| FolderEntry::File(PeerFile::from(file)));
        folders.into_iter().map(folder).chain(files).collect()
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::Share;

    use super::*;

    fn level(folder: Option<&str>) -> Vec<(String, u64)> {
        let mut level = FolderLevel::new(folder);
        for path in ["b.txt", "music/10/a", "music/9/a", "music/9/b", "music/cover.jpg", "musical"] {
            let file =
                FileRecord { path: path.into(), size: 2, digest: Digest::EMPTY, share: Share::Complete };
            level.add(file);
        }
        let shown = |entry| match entry {
            FolderEntry::Folder { path, files, bytes } => (format!("{path}/ {files}"), bytes),
            FolderEntry::File(file) => (file.content.path.to_string(), file.content.size.unwrap()),
        };
        level.entries().into_iter().map(shown).collect()
    }

    #[test]
    fn one_level_is_listed_with_totals_of_its_folders() {
        let named = |entries: &[(&str, u64)]| {
            entries.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect::<Vec<_>>()
        };
        assert_eq!(level(None), named(&[("music/ 4", 8), ("b.txt", 2), ("musical", 2)]));
        assert_eq!(
            level(Some("music")),
            named(&[("music/9/ 2", 4), ("music/10/ 1", 2), ("music/cover.jpg", 2)])
        );
        assert_eq!(level(Some("mus")), []);
    }
}
