//! Locations of a node's partial files, and removal of stale ones.
//!
//! A partial file lies on the file system of its target, so that a rename finishes the download: in the node's state folder,
//! or in a hidden folder beside a target on another file system. It is named after its content, so that a download finds it
//! under any target name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::node_id::NodeId;
use serde::{Deserialize, Serialize};

use super::location::{self, LocationError, is_free};
use super::part_record::PartRecord;
use crate::library::StoredPath;
use crate::storage::replace_file;
use crate::storage::{Folder, OpenMode, load_record, remove_leftover, remove_record};

/// Name of the hidden folder beside a target on another file system.
pub(super) const HIDDEN_FOLDER_NAME: &str = ".peerdex-partial";

/// How long a partial file without a download is kept after its last modification.
const MAX_PART_AGE: Duration = Duration::from_hours(30 * 24);

/// Maximum number of remembered hidden folders.
const MAX_HIDDEN_FOLDERS: usize = 256;

/// The two files of an incomplete download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartPaths {
    /// The data.
    pub(super) part: PathBuf,
    /// The record of the verified pieces.
    pub(super) record: PathBuf,
}

/// The two files in an open folder. They stay reachable through it even if the folder is renamed.
#[derive(Debug)]
pub(super) struct PartLocation {
    folder: Folder,
    pub(super) paths: PartPaths,
}

/// Partial data left by an earlier attempt, not verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeptPart {
    /// Bytes in the recorded pieces.
    pub(super) bytes: u64,
    /// Number of recorded pieces.
    pub(super) pieces_done: u32,
    pub(super) pieces: u32,
}

/// The folders for a node's partial files; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PartFolders {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The node's folder.
    root: PathBuf,
    /// The folder for partial files in the state folder.
    state_folder: PathBuf,
    /// The file that lists the hidden folders beside targets.
    list_file: PathBuf,
    /// Distinguishes this node's partial files from those of other nodes in the same hidden folder.
    tag: String,
    hidden_folders: Mutex<BTreeSet<PathBuf>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFolders {
    version: u32,
    folders: Vec<StoredPath>,
}

impl PartPaths {
    fn new(folder: &Path, name: &str) -> Self {
        Self { part: folder.join(format!("{name}.part")), record: folder.join(format!("{name}.part.json")) }
    }

    pub(super) fn remove(&self) {
        // The record first: a part without a record is still found by its name.
        remove_record(&self.record);
        remove_leftover(&self.part);
    }
}

impl PartLocation {
    /// Opens or creates the part file. Also returns true if it is new.
    pub(super) fn open_part(&self) -> io::Result<(File, bool)> {
        match self.folder.open_file(self.part_name(), OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok((self.folder.open_file(self.part_name(), OpenMode::New)?, true))
            }
            opened => Ok((opened?, false)),
        }
    }

    /// Moves the part file to another name. Never replaces an existing file.
    pub(super) fn move_part(&self, to: (&Folder, &Path)) -> io::Result<()> {
        self.folder.move_file(self.part_name(), to)
    }

    /// Returns a path to the record that goes through the open folder.
    pub(super) fn record_path(&self) -> PathBuf {
        let name = self.paths.record.file_name().unwrap_or_default();
        self.folder.descriptor_path().map_or_else(|| self.paths.record.clone(), |folder| folder.join(name))
    }

    fn part_name(&self) -> &Path {
        self.paths.part.file_name().map_or(&self.paths.part, Path::new)
    }
}

impl PartFolders {
    /// Version of the folder list file.
    const VERSION: u32 = 1;

    /// Opens the partial folders of a node that shares `root`: `own` in the state folder, and the hidden folders listed in
    /// `list`. Reads that file, so it belongs on a blocking thread.
    pub(crate) fn open(root: PathBuf, own: PathBuf, list: PathBuf, node: NodeId) -> Self {
        let stored = load_record::<StoredFolders>(&list).filter(|stored| stored.version == Self::VERSION);
        let folders = stored.map(|stored| stored.folders).unwrap_or_default();
        let beside = Mutex::new(folders.into_iter().take(MAX_HIDDEN_FOLDERS).map(PathBuf::from).collect());
        Self {
            inner: Arc::new(Inner {
                root,
                state_folder: own,
                list_file: list,
                tag: node.short(),
                hidden_folders: beside,
            }),
        }
    }

    /// Returns the node's folder.
    pub(super) fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Returns the location of the partial file of a content downloaded to `target`, and creates its folder.
    pub(super) fn location(
        &self,
        target: &Path,
        digest: &Digest,
        size: u64,
    ) -> Result<PartLocation, LocationError> {
        let around = location::create_folder(self.root(), target)?;
        let own = create_folder(self.root(), &self.inner.state_folder)?;
        let folder = target.parent().unwrap_or(self.root());
        let failed = |source| LocationError::Folder { folder: folder.to_owned(), source };
        if around.file_system_id().map_err(failed)? == own.file_system_id().map_err(failed)? {
            return Ok(PartLocation {
                folder: own,
                paths: PartPaths::new(&self.inner.state_folder, &format!("{digest}-{size}")),
            });
        }
        let beside = folder.join(HIDDEN_FOLDER_NAME);
        let opened = around
            .create_private_child(Path::new(HIDDEN_FOLDER_NAME))
            .map_err(|source| unusable(&beside, source))?;
        self.remember_folder(&beside);
        let paths = PartPaths::new(&beside, &format!("{digest}-{size}-{}", self.inner.tag));
        Ok(PartLocation { folder: opened, paths })
    }

    /// Returns true if a partial file exists for a content downloaded to `target`. Creates nothing.
    pub(super) fn has_part(&self, target: &Path, digest: &Digest) -> bool {
        let beside = target.parent().map(|folder| folder.join(HIDDEN_FOLDER_NAME));
        let folders = std::iter::once(self.inner.state_folder.clone()).chain(beside);
        folders.flat_map(|folder| self.parts_in(&folder)).any(|(name, _)| name.digest == *digest)
    }

    /// Returns what an earlier attempt recorded for a content downloaded to `target`.
    pub(super) fn kept_part(&self, target: &Path, digest: &Digest, size: u64) -> Option<KeptPart> {
        let geometry = Geometry::for_native(size).ok()?;
        let own = PartPaths::new(&self.inner.state_folder, &format!("{digest}-{size}"));
        let tag = &self.inner.tag;
        let beside = target.parent().map(|folder| folder.join(HIDDEN_FOLDER_NAME));
        let beside = beside.map(|folder| PartPaths::new(&folder, &format!("{digest}-{size}-{tag}")));
        let mut records = [Some(own), beside].into_iter().flatten();
        let record = records.find_map(|paths| PartRecord::load(&paths.record))?;
        let pieces = record.pieces(&geometry).filter(|_| record.matches(digest))?;
        let lengths = geometry.pieces().filter(|piece| pieces.has(*piece));
        let bytes = lengths.map(|piece| u64::from(geometry.length_of(piece))).sum();
        Some(KeptPart { bytes, pieces_done: pieces.count(), pieces: geometry.piece_count() })
    }

    /// Removes the partial files of a content that is complete at `target`.
    pub(super) fn remove_part(&self, target: &Path, digest: &Digest) {
        let beside = target.parent().map(|folder| folder.join(HIDDEN_FOLDER_NAME));
        let folders = std::iter::once(self.inner.state_folder.clone()).chain(beside);
        for (_, paths) in
            folders.flat_map(|folder| self.parts_in(&folder)).filter(|(name, _)| name.digest == *digest)
        {
            paths.remove();
            self.remove_folder_if_empty(&paths);
        }
    }

    /// Removes the hidden folder beside a target if it is empty.
    pub(super) fn remove_folder_if_empty(&self, paths: &PartPaths) {
        if let Some(folder) = paths.part.parent().filter(|folder| **folder != self.inner.state_folder) {
            // Fails while the folder contains other partial files.
            if fs::remove_dir(folder).is_ok() {
                self.inner.hidden_folders.lock().remove(folder);
                self.save();
            }
        }
    }

    /// Removes partial files of contents that are not `listed` as downloads, if they have no usable record or are older than
    /// `MAX_PART_AGE`.
    pub(super) fn clean(&self, listed: &HashSet<Digest>, now: SystemTime) {
        let beside: Vec<PathBuf> = self.inner.hidden_folders.lock().iter().cloned().collect();
        for folder in std::iter::once(&self.inner.state_folder).chain(&beside) {
            for (name, paths) in self.parts_in(folder) {
                if listed.contains(&name.digest) || !is_stale(&paths, &name.digest, now) {
                    continue;
                }
                tracing::info!(part = %paths.part.display(), "partial file without a download removed");
                paths.remove();
                self.remove_folder_if_empty(&paths);
            }
        }
    }

    /// Returns the partial files of this node in a folder.
    fn parts_in(&self, folder: &Path) -> BTreeMap<PartName, PartPaths> {
        let tag = (*folder != *self.inner.state_folder).then_some(self.inner.tag.as_str());
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| PartName::parse(entry.file_name().to_str()?, tag));
        names.map(|(name, stem)| (name, PartPaths::new(folder, &stem))).collect()
    }

    fn remember_folder(&self, folder: &Path) {
        let mut beside = self.inner.hidden_folders.lock();
        if beside.contains(folder) {
            return;
        }
        while beside.len() >= MAX_HIDDEN_FOLDERS {
            beside.pop_first();
        }
        beside.insert(folder.to_owned());
        drop(beside);
        self.save();
    }

    fn save(&self) {
        let folders = self.inner.hidden_folders.lock().iter().map(|folder| folder.as_path().into()).collect();
        let json = serde_json::to_vec(&StoredFolders { version: Self::VERSION, folders });
        let saved = json.map_err(io::Error::from).and_then(|json| replace_file(&self.inner.list_file, &json));
        if let Err(error) = saved {
            tracing::warn!(%error, "cannot write the list of partial folders");
        }
    }
}

#[cfg(test)]
impl PartFolders {
    /// Creates the partial folders of a node that shares `root`.
    pub(super) fn for_test(root: &Path) -> Self {
        let state = root.join(".peerdex");
        fs::create_dir_all(&state).unwrap();
        let node = NodeId::from_bytes([1; 32]);
        Self::open(root.into(), state.join("partial"), state.join("partial-folders.json"), node)
    }
}

/// The content encoded in the name of a partial file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PartName {
    digest: Digest,
    size: u64,
}

impl PartName {
    /// Parses the name of a partial file or its record, with the node's tag if given. Also returns the name without its
    /// suffixes.
    fn parse(name: &str, tag: Option<&str>) -> Option<(Self, String)> {
        let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new")).unwrap_or(name);
        let stem = name.strip_suffix(".part").or_else(|| name.strip_suffix(".part.json"))?;
        let content = match tag {
            Some(tag) => stem.strip_suffix(tag)?.strip_suffix('-')?,
            None => stem,
        };
        let (digest, size) = content.split_once('-')?;
        Some((Self { digest: digest.parse().ok()?, size: size.parse().ok()? }, stem.to_owned()))
    }
}

/// Returns true if an unlisted partial file should be removed.
fn is_stale(paths: &PartPaths, digest: &Digest, now: SystemTime) -> bool {
    if is_free(&paths.part) || !PartRecord::load(&paths.record).is_some_and(|record| record.matches(digest)) {
        return true;
    }
    let written =
        [&paths.part, &paths.record].into_iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok());
    written.max().is_none_or(|last| now.duration_since(last).is_ok_and(|age| age > MAX_PART_AGE))
}

/// Opens a folder for partial files. If it is created here, only the owner can read it.
fn create_folder(root: &Path, folder: &Path) -> Result<Folder, LocationError> {
    let below = folder.strip_prefix(root).unwrap_or(folder);
    let root = fs::create_dir_all(root).and_then(|()| Folder::open(root));
    let opened = root.and_then(|root| root.create_private_child(below));
    opened.map_err(|source| unusable(folder, source))
}

fn unusable(folder: &Path, source: io::Error) -> LocationError {
    if folder.is_symlink() {
        LocationError::Link { folder: folder.to_owned() }
    } else {
        LocationError::Folder { folder: folder.to_owned(), source }
    }
}

#[cfg(test)]
mod tests;
