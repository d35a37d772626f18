//! Where the partial files of a node lie, and which of them are still of use.
//!
//! A partial file lies on the file system of its destination, so that a rename finishes the download: in the node's state
//! folder, or in a hidden folder beside a destination on another file system. It is named after its content, so that a
//! download finds it again whatever it is called.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::node_id::NodeId;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use serde::{Deserialize, Serialize};

use super::part_record::PartRecord;
use super::place::{PlaceError, is_free};
use crate::library::StoredPath;
use crate::state_dir::replace_file;
use crate::storage::{load_record, remove_record};

/// The name of the hidden folder beside a destination on another file system.
pub(super) const BESIDE: &str = ".peerdex-partial";

/// How long a partial file without a download is kept after it was last written to.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// The most folders beside destinations that are remembered.
const MAX_BESIDE: usize = 256;

/// The two files of a download that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartPaths {
    /// Its bytes.
    pub(super) part: PathBuf,
    /// Which of them are verified.
    pub(super) record: PathBuf,
}

/// What an earlier attempt has left of a content; to be verified before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Bytes in the pieces that are here.
    pub(super) bytes: u64,
    /// How many pieces are here, of how many.
    pub(super) here: u32,
    pub(super) pieces: u32,
}

/// Where a node's partial files lie; cheap to clone.
#[derive(Debug, Clone)]
pub struct PartFolders {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The node's folder.
    root: PathBuf,
    /// The folder for partial files in the state folder.
    own: PathBuf,
    /// The file that lists the folders beside destinations.
    list: PathBuf,
    /// What tells the partial files of this node from those of another one beside the same destination.
    tag: String,
    beside: Mutex<BTreeSet<PathBuf>>,
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

    /// Removes both files.
    pub(super) fn remove(&self) {
        // The record first: a part without one is still found by its name.
        remove_record(&self.record);
        let _ = fs::remove_file(&self.part);
    }
}

impl PartFolders {
    /// Version of the list of folders.
    const VERSION: u32 = 1;

    /// Creates the folders of a node that shares `root`, with the one in the state folder and the file that lists the others.
    /// Reads that file, and so belongs on a blocking thread.
    pub fn open(root: PathBuf, own: PathBuf, list: PathBuf, node: NodeId) -> Self {
        let stored = load_record::<StoredFolders>(&list).filter(|stored| stored.version == Self::VERSION);
        let folders = stored.map(|stored| stored.folders).unwrap_or_default();
        let beside = Mutex::new(folders.into_iter().take(MAX_BESIDE).map(PathBuf::from).collect());
        Self { inner: Arc::new(Inner { root, own, list, tag: node.short(), beside }) }
    }

    /// Returns the node's folder.
    pub(super) fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Returns where the partial file of a content lies that is downloaded to `target`, and creates the folder for it. The
    /// folder of `target` must exist.
    pub(super) fn paths(&self, target: &Path, digest: &Digest, size: u64) -> Result<PartPaths, PlaceError> {
        let own = &self.inner.own;
        create(own)?;
        let folder = target.parent().unwrap_or(Path::new("."));
        let failed = |source| PlaceError::Folder { folder: folder.to_owned(), source };
        if file_system(folder).map_err(failed)? == file_system(own).map_err(failed)? {
            return Ok(PartPaths::new(own, &format!("{digest}-{size}")));
        }
        let beside = folder.join(BESIDE);
        create(&beside)?;
        self.remember(&beside);
        Ok(PartPaths::new(&beside, &format!("{digest}-{size}-{}", self.inner.tag)))
    }

    /// Returns true if there is a partial file of a content that is downloaded to `target`. Creates nothing.
    pub(super) fn has_part(&self, target: &Path, digest: &Digest) -> bool {
        let beside = target.parent().map(|folder| folder.join(BESIDE));
        let folders = std::iter::once(self.inner.own.clone()).chain(beside);
        folders.flat_map(|folder| self.content_of(&folder)).any(|(name, _)| name.digest == *digest)
    }

    /// Returns what an earlier attempt has left of a content that is downloaded to `target`, as its record says.
    pub(super) fn kept(&self, target: &Path, digest: &Digest, size: u64) -> Option<Kept> {
        let geometry = Geometry::native(size).ok()?;
        let own = PartPaths::new(&self.inner.own, &format!("{digest}-{size}"));
        let tag = &self.inner.tag;
        let beside = target.parent().map(|folder| folder.join(BESIDE));
        let beside = beside.map(|folder| PartPaths::new(&folder, &format!("{digest}-{size}-{tag}")));
        let mut records = [Some(own), beside].into_iter().flatten();
        let record = records.find_map(|paths| PartRecord::load(&paths.record))?;
        let pieces = record.pieces(&geometry).filter(|_| record.is_of(digest))?;
        let lengths = geometry.pieces().filter(|piece| pieces.has(*piece));
        let bytes = lengths.map(|piece| u64::from(geometry.length_of(piece))).sum();
        Some(Kept { bytes, here: pieces.count(), pieces: geometry.piece_count() })
    }

    /// Removes what an earlier attempt has left of a content that is at `target` now.
    pub(super) fn forget(&self, target: &Path, digest: &Digest) {
        let beside = target.parent().map(|folder| folder.join(BESIDE));
        let folders = std::iter::once(self.inner.own.clone()).chain(beside);
        for (_, paths) in
            folders.flat_map(|folder| self.content_of(&folder)).filter(|(name, _)| name.digest == *digest)
        {
            paths.remove();
            self.leave(&paths);
        }
    }

    /// Removes the folder beside a destination if nothing is in it any more.
    pub(super) fn leave(&self, paths: &PartPaths) {
        if let Some(folder) = paths.part.parent().filter(|folder| **folder != self.inner.own) {
            // It fails while other partial files lie there.
            if fs::remove_dir(folder).is_ok() {
                self.inner.beside.lock().remove(folder);
                self.save();
            }
        }
    }

    /// Removes the partial files of contents that are not `listed` as downloads, if they have no usable record or are older
    /// than a month.
    pub(super) fn clean(&self, listed: &HashSet<Digest>, now: SystemTime) {
        let beside: Vec<PathBuf> = self.inner.beside.lock().iter().cloned().collect();
        for folder in std::iter::once(&self.inner.own).chain(&beside) {
            for (name, paths) in self.content_of(folder) {
                if listed.contains(&name.digest) || !is_stale(&paths, &name.digest, now) {
                    continue;
                }
                tracing::info!(part = %paths.part.display(), "partial file without a download removed");
                paths.remove();
                self.leave(&paths);
            }
        }
    }

    /// Lists the partial files of this node in a folder.
    fn content_of(&self, folder: &Path) -> BTreeMap<PartName, PartPaths> {
        let tag = (*folder != *self.inner.own).then_some(self.inner.tag.as_str());
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| PartName::parse(entry.file_name().to_str()?, tag));
        names.map(|(name, stem)| (name, PartPaths::new(folder, &stem))).collect()
    }

    fn remember(&self, folder: &Path) {
        let mut beside = self.inner.beside.lock();
        if beside.contains(folder) {
            return;
        }
        while beside.len() >= MAX_BESIDE {
            beside.pop_first();
        }
        beside.insert(folder.to_owned());
        drop(beside);
        self.save();
    }

    fn save(&self) {
        let folders = self.inner.beside.lock().iter().map(|folder| folder.as_path().into()).collect();
        let json = serde_json::to_vec(&StoredFolders { version: Self::VERSION, folders });
        let saved = json.map_err(io::Error::from).and_then(|json| replace_file(&self.inner.list, &json));
        if let Err(error) = saved {
            tracing::warn!(%error, "list of folders for partial files not written");
        }
    }
}

#[cfg(test)]
impl PartFolders {
    /// Creates those of a node that shares a folder.
    pub(super) fn of_test(root: &Path) -> Self {
        let state = root.join(".peerdex");
        fs::create_dir_all(&state).unwrap();
        let node = NodeId::from_bytes([1; 32]);
        Self::open(root.into(), state.join("partial"), state.join("partial-folders.json"), node)
    }
}

/// The content that a partial file is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PartName {
    digest: Digest,
    size: u64,
}

impl PartName {
    /// Reads the name of a partial file or of its record, with the tag of its node if it has one. Returns also the name
    /// without its endings.
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

/// Returns true if a partial file that no download wants is to be removed.
fn is_stale(paths: &PartPaths, digest: &Digest, now: SystemTime) -> bool {
    if is_free(&paths.part) || !PartRecord::load(&paths.record).is_some_and(|record| record.is_of(digest)) {
        return true;
    }
    let written =
        [&paths.part, &paths.record].into_iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok());
    written.max().is_none_or(|last| now.duration_since(last).is_ok_and(|age| age > KEPT))
}

/// Creates a folder for partial files that nobody else may read, unless it is there.
fn create(folder: &Path) -> Result<(), PlaceError> {
    let failed = |source| PlaceError::Folder { folder: folder.to_owned(), source };
    match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) => Err(failed(error)),
        Ok(()) if folder.is_symlink() => Err(PlaceError::Link { folder: folder.to_owned() }),
        Ok(()) => Ok(()),
    }
}

/// Returns what tells file systems apart between which nothing can be renamed: the device and, where the system names it, the
/// mount.
fn file_system(folder: &Path) -> io::Result<(u64, u64)> {
    match rustix::fs::statx(CWD, folder, AtFlags::empty(), StatxFlags::MNT_ID) {
        Ok(found) => {
            let device = (u64::from(found.stx_dev_major) << 32) | u64::from(found.stx_dev_minor);
            Ok((device, found.stx_mnt_id))
        }
        Err(rustix::io::Errno::NOSYS) => Ok((fs::metadata(folder)?.dev(), 0)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use protocol::bitfield::Bitfield;

    use super::*;

    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    /// A folder on another file system than the temporary folder, where the system has one.
    fn other_file_system(root: &Path) -> Option<tempfile::TempDir> {
        let folder = tempfile::tempdir_in("/dev/shm").ok()?;
        (file_system(folder.path()).ok()? != file_system(root).ok()?).then_some(folder)
    }

    fn leave_part(paths: &PartPaths, digest: Digest) {
        let geometry = Geometry::native(1 << 20).unwrap();
        fs::write(&paths.part, "x").unwrap();
        PartRecord::new(digest, 1 << 20, &Bitfield::empty(&geometry)).save(&paths.record).unwrap();
    }

    #[test]
    fn partial_file_lies_on_the_file_system_of_its_destination() {
        let root = tempfile::tempdir().unwrap();
        let folders = PartFolders::of_test(root.path());
        let target = root.path().join("a.iso");
        let own = folders.paths(&target, &DIGEST, 1 << 20).unwrap();
        assert_eq!(own.part.parent(), Some(&*root.path().join(".peerdex/partial")));
        let Some(other) = other_file_system(root.path()) else { return };
        let target = other.path().join("a.iso");
        assert!(!folders.has_part(&target, &DIGEST));
        let beside = folders.paths(&target, &DIGEST, 1 << 20).unwrap();
        assert_eq!(beside.part.parent(), Some(&*other.path().join(BESIDE)));
        leave_part(&beside, DIGEST);
        assert!(folders.has_part(&target, &DIGEST));
        beside.remove();
        folders.leave(&beside);
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }

    #[test]
    fn folder_beside_a_destination_is_remembered_and_cleaned() {
        let root = tempfile::tempdir().unwrap();
        let Some(other) = other_file_system(root.path()) else { return };
        let paths =
            PartFolders::of_test(root.path()).paths(&other.path().join("a.iso"), &DIGEST, 1 << 20).unwrap();
        fs::write(&paths.part, "x").unwrap();
        let foreign = other.path().join(BESIDE).join(format!("{DIGEST}-1048576-00000000.part"));
        fs::write(&foreign, "of another node").unwrap();
        let folders = PartFolders::of_test(root.path());
        folders.clean(&HashSet::from([DIGEST]), SystemTime::now());
        assert!(paths.part.exists(), "listed");
        folders.clean(&HashSet::new(), SystemTime::now());
        assert!(!paths.part.exists() && foreign.exists());
    }

    #[test]
    fn only_partial_files_without_a_download_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let folders = PartFolders::of_test(root.path());
        let paths =
            |tag: u8| folders.paths(&root.path().join("a"), &Digest::from_bytes([tag; 32]), 1 << 20).unwrap();
        let [listed, kept, broken, empty] = [1, 2, 3, 4].map(paths);
        assert_eq!(folders.kept(&root.path().join("a"), &Digest::from_bytes([1; 32]), 1 << 20), None);
        leave_part(&listed, Digest::from_bytes([1; 32]));
        leave_part(&kept, Digest::from_bytes([2; 32]));
        fs::write(&broken.part, "x").unwrap();
        fs::write(&broken.record, "").unwrap();
        fs::write(&empty.record, "").unwrap();
        let kept_here = folders.kept(&root.path().join("a"), &Digest::from_bytes([2; 32]), 1 << 20);
        assert_eq!(kept_here, Some(Kept { bytes: 0, here: 0, pieces: 4 }));
        let strange = broken.part.with_file_name("something else.part");
        fs::write(&strange, "").unwrap();
        let names = HashSet::from([Digest::from_bytes([1; 32])]);
        folders.clean(&names, SystemTime::now());
        let is_there = |paths: &PartPaths| paths.part.exists() || paths.record.exists();
        assert_eq!([&listed, &kept, &broken, &empty].map(is_there), [true, true, false, false]);
        folders.clean(&names, SystemTime::now() + KEPT + Duration::from_mins(1));
        assert_eq!((is_there(&listed), is_there(&kept), strange.exists()), (true, false, true));
    }

    #[test]
    fn link_in_the_place_of_the_hidden_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let Some(other) = other_file_system(root.path()) else { return };
        std::os::unix::fs::symlink(root.path(), other.path().join(BESIDE)).unwrap();
        let found = PartFolders::of_test(root.path()).paths(&other.path().join("a.iso"), &DIGEST, 1);
        assert!(matches!(found, Err(PlaceError::Link { .. })));
    }
}
