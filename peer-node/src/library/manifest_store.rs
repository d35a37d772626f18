mod manifest_file;

use std::collections::{HashSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::manifest::Manifest;

use manifest_file::DecodedManifest;

use crate::platform::with_mode;
use crate::storage::{LinkPolicy, at_path, open_regular_file, read_regular_file};

/// Maximum bytes of manifests in memory: 256 manifests of the usual maximum size.
const MAX_CACHED_BYTES: usize = 32 << 20;

/// Maximum number of manifests in memory. A linear search through them takes microseconds.
const MAX_CACHED: usize = 256;

/// The result of loading a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoadedManifest {
    /// The checksum is correct.
    Checked(Arc<Manifest>),
    /// The manifest has no checksum, because release 0.1.0 wrote it. It is most likely correct.
    Unchecked(Arc<Manifest>),
    /// The manifest does not exist, or it was damaged and has been removed.
    Missing,
}

/// The manifests of shared files, with checksums: one file for each content of more than one piece.
///
/// A manifest is worth no more than the time to hash the content again. It is therefore written without waiting for the disk,
/// and a missing or damaged one counts as absent. Manifests that cannot be written are kept in memory within its limits.
#[derive(Debug)]
pub(super) struct ManifestStore {
    folder: PathBuf,
    /// Distinguishes the temporary files of concurrent writes.
    next: AtomicU64,
    recent: Mutex<VecDeque<CachedManifest>>,
}

/// A manifest in memory.
#[derive(Debug, Clone)]
struct CachedManifest {
    manifest: Arc<Manifest>,
    is_checked: bool,
    is_written: bool,
}

impl ManifestStore {
    /// Creates a store in an existing folder.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, next: AtomicU64::new(0), recent: Mutex::default() }
    }

    /// Returns the manifest of a content of this size.
    pub(super) fn load(&self, digest: Digest, size: u64) -> io::Result<LoadedManifest> {
        if let Some(stored) = self.cached(digest, size) {
            return Ok(stored);
        }
        let Ok(geometry) = Geometry::for_native(size) else { return Ok(LoadedManifest::Missing) };
        let max_len = manifest_file::max_len(&geometry);
        let Some(bytes) = self.read(digest, max_len)? else { return Ok(LoadedManifest::Missing) };
        let (manifest, is_checked) = match manifest_file::decode(digest, geometry, &bytes) {
            DecodedManifest::Checked(manifest) => (Arc::new(manifest), true),
            DecodedManifest::Unchecked(manifest) => (Arc::new(manifest), false),
            DecodedManifest::Damaged => {
                tracing::warn!(digest = digest.short(), "stored manifest is damaged; hashing the file again");
                fs::remove_file(self.path(digest))?;
                return Ok(LoadedManifest::Missing);
            }
        };
        self.cache(CachedManifest { manifest: Arc::clone(&manifest), is_checked, is_written: true });
        Ok(if is_checked { LoadedManifest::Checked(manifest) } else { LoadedManifest::Unchecked(manifest) })
    }

    /// Reads a stored manifest, at most one byte beyond its maximum length. Removes anything under its name that is not a
    /// regular file.
    fn read(&self, digest: Digest, max_len: usize) -> io::Result<Option<Vec<u8>>> {
        if max_len == 0 {
            return Ok(Some(Vec::new()));
        }
        let path = self.path(digest);
        match read_regular_file(&path, max_len as u64 + 1) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                if fs::symlink_metadata(&path)?.is_file() {
                    return Err(error);
                }
                tracing::warn!(digest = digest.short(), "not a stored manifest; hashing the file again");
                fs::remove_file(path)?;
                Ok(None)
            }
        }
    }

    /// Returns true if the manifest of a content is stored, judging by the length of its file.
    pub(super) fn has(&self, digest: Digest, size: u64) -> bool {
        let Ok(geometry) = Geometry::for_native(size) else { return false };
        let max_len = manifest_file::max_len(&geometry) as u64;
        max_len == 0 || fs::metadata(self.path(digest)).is_ok_and(|found| found.len() == max_len)
    }

    /// Stores a manifest that results from hashing the complete file. If it cannot be written, it stays in memory for a while.
    pub(super) fn save(&self, manifest: &Arc<Manifest>) -> io::Result<()> {
        let written = self.write(manifest);
        let is_written = written.is_ok();
        self.cache(CachedManifest { manifest: Arc::clone(manifest), is_checked: true, is_written });
        written
    }

    /// Writes the manifests in memory that could not be written before, or all of them if `with_all`.
    pub(super) fn write_cached(&self, with_all: bool) -> io::Result<()> {
        let kept: Vec<CachedManifest> = self.recent.lock().iter().cloned().collect();
        for kept in kept.iter().filter(|kept| kept.is_checked && (with_all || !kept.is_written)) {
            self.write(&kept.manifest)?;
        }
        self.recent.lock().iter_mut().for_each(|kept| kept.is_written |= kept.is_checked);
        Ok(())
    }

    fn write(&self, manifest: &Manifest) -> io::Result<()> {
        if manifest_file::max_len(manifest.geometry()) == 0 {
            return Ok(());
        }
        let temp = self.folder.join(format!("{}.new", self.next.fetch_add(1, Ordering::Relaxed)));
        let written = write_new(&temp, &manifest_file::encode(manifest))
            .and_then(|()| fs::rename(&temp, self.path(manifest.digest())));
        if written.is_err() {
            // On a full disk a partly written file only takes up space.
            let _ = fs::remove_file(&temp);
        }
        // Name the folder rather than the file, so that many identical failures are reported once.
        written.map_err(at_path(&self.folder))
    }

    /// Removes the manifests of all contents that are not needed; returns their number. `needed` is called after the folder has
    /// been listed, so a manifest that is saved meanwhile survives if its content was recorded before.
    pub(super) fn retain(&self, needed: impl FnOnce() -> HashSet<Digest>) -> io::Result<usize> {
        let mut stored: HashSet<Digest> = HashSet::new();
        for entry in fs::read_dir(&self.folder)? {
            stored.extend(entry?.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()));
        }
        let needed = needed();
        let unneeded: Vec<&Digest> = stored.difference(&needed).collect();
        for digest in &unneeded {
            fs::remove_file(self.path(**digest))?;
        }
        Ok(unneeded.len())
    }

    /// Removes temporary files that a crash left behind. No write may be in progress.
    pub(super) fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    fn cached(&self, digest: Digest, size: u64) -> Option<LoadedManifest> {
        let mut recent = self.recent.lock();
        let is_match = |kept: &CachedManifest| {
            kept.manifest.digest() == digest && kept.manifest.geometry().size() == size
        };
        let index = recent.iter().position(is_match)?;
        let kept = recent.remove(index)?;
        let manifest = Arc::clone(&kept.manifest);
        let stored = if kept.is_checked {
            LoadedManifest::Checked(manifest)
        } else {
            LoadedManifest::Unchecked(manifest)
        };
        recent.push_front(kept);
        Some(stored)
    }

    /// Keeps a manifest that has states in memory until more recently used ones displace it.
    fn cache(&self, entry: CachedManifest) {
        let bytes = |kept: &CachedManifest| size_of_val(kept.manifest.states());
        if entry.manifest.states().is_empty() || bytes(&entry) > MAX_CACHED_BYTES {
            return;
        }
        let mut recent = self.recent.lock();
        recent.retain(|kept| kept.manifest.digest() != entry.manifest.digest());
        recent.push_front(entry);
        let mut total: usize = recent.iter().map(bytes).sum();
        while total > MAX_CACHED_BYTES || recent.len() > MAX_CACHED {
            total -= recent.pop_back().as_ref().map_or(total, bytes);
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    with_mode(options.write(true).create(true).truncate(true), 0o600);
    open_regular_file(path, &mut options, LinkPolicy::Refuse)?.write_all(bytes)
}

#[cfg(test)]
mod tests;
