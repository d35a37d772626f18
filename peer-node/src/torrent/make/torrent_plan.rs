use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use protocol::limits::MAX_TORRENT_DEPTH;
use protocol::share_path::SharePath;

use super::error::MakeTorrentError;
use crate::platform::is_same_file;
use crate::storage::{LinkPolicy, open_regular_file};

/// The content of a new torrent: files with their sizes, in the order in which they are hashed.
#[derive(Debug)]
pub(crate) struct TorrentPlan {
    /// Name of the file or folder, if it is valid in a torrent.
    pub(super) name: Option<String>,
    pub(super) root: PathBuf,
    pub(super) files: Vec<PlannedFile>,
    is_single_file: bool,
    excluded: Vec<ExcludedEntry>,
}

/// A file of the new torrent.
#[derive(Debug)]
pub(super) struct PlannedFile {
    /// Path of the file.
    pub(super) path: PathBuf,
    /// Path components below the root; empty if the root is a file.
    pub(super) names: Vec<String>,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// An entry of the folder that is excluded from the torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExcludedEntry {
    /// Path of the entry.
    pub path: PathBuf,
    /// The reason.
    pub reason: ExclusionReason,
}

/// Why an entry is excluded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExclusionReason {
    /// A symbolic link.
    #[error("a symbolic link")]
    Symlink,
    /// A device, a pipe or a socket.
    #[error("not a regular file")]
    SpecialFile,
    /// The output file of the new torrent.
    #[error("the torrent itself")]
    OutputFile,
    /// The name is not UTF-8, as torrents require.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// The name contains characters that other programs would replace.
    #[error("its name holds a control character")]
    ControlCharacter,
    /// The path is deeper than the limit.
    #[error("more than {MAX_TORRENT_DEPTH} folders deep")]
    TooDeep,
    /// The entry cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl TorrentPlan {
    /// Scans a file or folder. Excludes links, special files, unreadable entries, names that are invalid in torrents,
    /// and `output`. Blocks.
    pub(crate) fn scan(path: &Path, output: Option<&Path>) -> Result<Self, MakeTorrentError> {
        let unreadable = |error| MakeTorrentError::Unreadable { path: path.to_owned(), error };
        let root = path.canonicalize().map_err(unreadable)?;
        let metadata = root.metadata().map_err(unreadable)?;
        let name = torrent_name(root.file_name().unwrap_or_default()).ok();
        let mut plan =
            Self { name, root, files: Vec::new(), is_single_file: metadata.is_file(), excluded: Vec::new() };
        if metadata.is_file() {
            let (path, names, length) = (plan.root.clone(), Vec::new(), metadata.len());
            plan.files.push(PlannedFile { path, names, length });
        } else if metadata.is_dir() {
            plan.walk(output.and_then(|output| output.symlink_metadata().ok()).as_ref())?;
        } else {
            return Err(MakeTorrentError::NotFileOrFolder { path: path.to_owned() });
        }
        Ok(plan)
    }

    /// Returns the default name of the torrent; none if the name of the file or folder is not valid in one.
    #[cfg(test)]
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the total size of all files in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(|file| file.length).fold(0, u64::saturating_add)
    }

    /// Returns the number of files.
    #[cfg(test)]
    pub(crate) const fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Returns true if the root is a file, not a folder.
    pub(crate) const fn is_single_file(&self) -> bool {
        self.is_single_file
    }

    /// Returns the excluded entries.
    pub(crate) fn excluded(&self) -> &[ExcludedEntry] {
        &self.excluded
    }

    fn walk(&mut self, output: Option<&Metadata>) -> Result<(), MakeTorrentError> {
        let mut folders = vec![(self.root.clone(), Vec::new())];
        while let Some((folder, names)) = folders.pop() {
            let entries = match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => entries,
                Err(error) if names.is_empty() => {
                    return Err(MakeTorrentError::Unreadable { path: folder, error });
                }
                Err(error) => {
                    self.excluded.push(ExcludedEntry {
                        path: folder,
                        reason: ExclusionReason::Unreadable(error.to_string()),
                    });
                    continue;
                }
            };
            for entry in entries {
                match ScannedEntry::classify(&entry, &names, output) {
                    Ok(ScannedEntry::Folder(names)) => folders.push((entry.path(), names)),
                    Ok(ScannedEntry::File(file)) => self.files.push(file),
                    Err(reason) => self.excluded.push(ExcludedEntry { path: entry.path(), reason }),
                }
            }
        }
        // Sort by the bytes of the whole path, like mktorrent.
        self.files.sort_by_cached_key(|file| file.names.join("/"));
        self.excluded.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }
}

/// An entry that can be part of a torrent.
enum ScannedEntry {
    /// A folder, with its path components below the root.
    Folder(Vec<String>),
    File(PlannedFile),
}

impl ScannedEntry {
    /// Classifies an entry of the folder with components `above`, or returns why it is excluded.
    fn classify(
        entry: &DirEntry,
        above: &[String],
        output: Option<&Metadata>,
    ) -> Result<Self, ExclusionReason> {
        let kind: FileType = entry.file_type().map_err(|error| ExclusionReason::unreadable(&error))?;
        if kind.is_symlink() {
            return Err(ExclusionReason::Symlink);
        }
        if !kind.is_dir() && !kind.is_file() {
            return Err(ExclusionReason::SpecialFile);
        }
        let path = entry.path();
        if kind.is_file() && output.is_some_and(|output| is_output(output, &path)) {
            return Err(ExclusionReason::OutputFile);
        }
        if above.len() == MAX_TORRENT_DEPTH {
            return Err(ExclusionReason::TooDeep);
        }
        let mut names = above.to_vec();
        names.push(torrent_name(&entry.file_name())?);
        if kind.is_dir() {
            return Ok(Self::Folder(names));
        }
        let length = open_regular_file(&path, OpenOptions::new().read(true), LinkPolicy::Follow)
            .and_then(|file| file.metadata())
            .map_err(|error| ExclusionReason::unreadable(&error))?
            .len();
        Ok(Self::File(PlannedFile { path, names, length }))
    }
}

impl ExclusionReason {
    fn unreadable(error: &io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

fn is_output(output: &Metadata, path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| is_same_file(output, &found))
}

/// Returns a file name, if it is valid in a torrent.
fn torrent_name(name: &OsStr) -> Result<String, ExclusionReason> {
    let name = name.to_str().ok_or(ExclusionReason::NotUtf8)?;
    SharePath::parse(name).map_err(|_| ExclusionReason::ControlCharacter)?;
    Ok(name.to_owned())
}
