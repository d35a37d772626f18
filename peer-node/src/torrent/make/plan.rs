use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::MakeError;

/// What a torrent will hold: files with their sizes, in the order in which their bytes are hashed.
#[derive(Debug)]
pub struct Plan {
    /// The name of the file or folder.
    pub(super) name: String,
    pub(super) root: PathBuf,
    pub(super) files: Vec<PlannedFile>,
    is_single_file: bool,
    left_out: Vec<LeftOut>,
}

/// A file that a torrent will hold.
#[derive(Debug)]
pub(super) struct PlannedFile {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its names from below the root to its own; none for a root that is a file.
    pub(super) names: Vec<String>,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// Something in the folder that will not be in the torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What it is.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It leads elsewhere.
    #[error("a symbolic link")]
    Link,
    /// It is a device, a pipe or a socket.
    #[error("no regular file")]
    Special,
    /// It is where the torrent will be written.
    #[error("the torrent itself")]
    Output,
}

impl Plan {
    /// Looks at a file, or at a folder and all below it. Links in the folder and special files are left out, and so is
    /// `output` if it lies there. Blocks.
    pub fn of(path: &Path, output: Option<&Path>) -> Result<Self, MakeError> {
        let unreadable = |error| MakeError::Unreadable { path: path.to_owned(), error };
        let root = path.canonicalize().map_err(unreadable)?;
        let metadata = root.metadata().map_err(unreadable)?;
        let name = text(root.file_name().unwrap_or_default(), &root)?;
        let mut plan =
            Self { name, root, files: Vec::new(), is_single_file: metadata.is_file(), left_out: Vec::new() };
        if metadata.is_file() {
            plan.files.push(PlannedFile {
                path: plan.root.clone(),
                names: Vec::new(),
                length: metadata.len(),
            });
        } else if metadata.is_dir() {
            plan.walk(output.and_then(|output| output.symlink_metadata().ok()).as_ref())?;
        } else {
            return Err(MakeError::NoContent { path: path.to_owned() });
        }
        if plan.size() == 0 {
            return Err(MakeError::Empty { path: path.to_owned() });
        }
        Ok(plan)
    }

    /// Returns the name of the file or folder, which the torrent gets unless another is wished.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many bytes all files have together.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.length).fold(0, u64::saturating_add)
    }

    /// Returns how many files there are.
    pub const fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Tells whether it is of a file, and not of a folder.
    pub const fn is_single_file(&self) -> bool {
        self.is_single_file
    }

    /// Returns what was left out.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    fn walk(&mut self, output: Option<&Metadata>) -> Result<(), MakeError> {
        let mut folders = vec![(self.root.clone(), Vec::new())];
        while let Some((folder, names)) = folders.pop() {
            let unreadable = |error| MakeError::Unreadable { path: folder.clone(), error };
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let (entry, kind) = entry.and_then(with_kind).map_err(unreadable)?;
                let path = entry.path();
                if kind.is_symlink() || !(kind.is_dir() || kind.is_file()) {
                    let why = if kind.is_symlink() { Why::Link } else { Why::Special };
                    self.left_out.push(LeftOut { path, why });
                    continue;
                }
                let mut names: Vec<String> = names.clone();
                names.push(text(&entry.file_name(), &path)?);
                if kind.is_dir() {
                    folders.push((path, names));
                } else {
                    self.add(path, names, output)?;
                }
            }
        }
        // By the bytes of the whole path, as mktorrent has it.
        self.files.sort_by_cached_key(|file| file.names.join("/"));
        self.left_out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    fn add(&mut self, path: PathBuf, names: Vec<String>, output: Option<&Metadata>) -> Result<(), MakeError> {
        let metadata =
            path.symlink_metadata().map_err(|error| MakeError::Unreadable { path: path.clone(), error })?;
        if output.is_some_and(|output| is_same(output, &metadata)) {
            self.left_out.push(LeftOut { path, why: Why::Output });
        } else {
            self.files.push(PlannedFile { path, names, length: metadata.len() });
        }
        Ok(())
    }
}

fn with_kind(entry: DirEntry) -> io::Result<(DirEntry, FileType)> {
    let kind = entry.file_type()?;
    Ok((entry, kind))
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn text(name: &OsStr, path: &Path) -> Result<String, MakeError> {
    name.to_str().map(ToOwned::to_owned).ok_or_else(|| MakeError::NotText { path: path.to_owned() })
}
