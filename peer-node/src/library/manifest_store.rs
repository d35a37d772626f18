mod manifest_file;

use std::collections::{HashSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::manifest::Manifest;

use manifest_file::DecodedManifest;

use crate::storage::{LinkPolicy, at_path, open_regular_file, read_regular_file};

/// How many bytes of states are kept in memory: 256 manifests of the usual largest size.
const MAX_CACHED_BYTES: usize = 32 << 20;

/// How many manifests are kept in memory at most; looking through them is a few microseconds.
const MAX_CACHED: usize = 256;

/// A manifest that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoadedManifest {
    /// It is what was written.
    Checked(Arc<Manifest>),
    /// It has no checksum: release 0.1.0 wrote it. It is most likely sound.
    Unchecked(Arc<Manifest>),
    /// It is not there, or it was damaged and has been removed.
    Missing,
}

/// The manifests of shared files, one file for each content of several pieces, with a checksum.
///
/// They are worth no more than the time to hash the content again: they are written without waiting for the disk, and
/// one that is missing, cut or changed counts as none. What cannot be written is kept in memory as far as there is room.
#[derive(Debug)]
pub(super) struct ManifestStore {
    folder: PathBuf,
    /// Tells apart what several threads write at once.
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
    /// Keeps manifests in a folder that exists.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, next: AtomicU64::new(0), recent: Mutex::default() }
    }

    /// Returns the manifest of a content of that size.
    pub(super) fn load(&self, digest: Digest, size: u64) -> io::Result<LoadedManifest> {
        if let Some(stored) = self.cached(digest, size) {
            return Ok(stored);
        }
        let Ok(geometry) = Geometry::for_native(size) else { return Ok(LoadedManifest::Missing) };
        let longest = manifest_file::max_len(&geometry);
        let Some(bytes) = self.read(digest, longest)? else { return Ok(LoadedManifest::Missing) };
        let (manifest, is_checked) = match manifest_file::decode(digest, geometry, &bytes) {
            DecodedManifest::Checked(manifest) => (Arc::new(manifest), true),
            DecodedManifest::Unchecked(manifest) => (Arc::new(manifest), false),
            DecodedManifest::Damaged => {
                tracing::warn!(
                    digest = digest.short(),
                    "a stored manifest is damaged; hashing the file again"
                );
                fs::remove_file(self.path(digest))?;
                return Ok(LoadedManifest::Missing);
            }
        };
        self.cache(CachedManifest { manifest: Arc::clone(&manifest), is_checked, is_written: true });
        Ok(if is_checked { LoadedManifest::Checked(manifest) } else { LoadedManifest::Unchecked(manifest) })
    }

    /// Reads a stored manifest, no more than shows that it is too long. What else has its name is removed.
    fn read(&self, digest: Digest, longest: usize) -> io::Result<Option<Vec<u8>>> {
        if longest == 0 {
            return Ok(Some(Vec::new()));
        }
        let path = self.path(digest);
        match read_regular_file(&path, longest as u64 + 1) {
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

    /// Returns true if a content of that size has its manifest here, as far as the length of its file shows.
    pub(super) fn has(&self, digest: Digest, size: u64) -> bool {
        let Ok(geometry) = Geometry::for_native(size) else { return false };
        let longest = manifest_file::max_len(&geometry) as u64;
        longest == 0 || fs::metadata(self.path(digest)).is_ok_and(|found| found.len() == longest)
    }

    /// Keeps a manifest that was made by hashing the whole file. If it cannot be written, it is kept in memory for a while.
    pub(super) fn save(&self, manifest: &Arc<Manifest>) -> io::Result<()> {
        let written = self.write(manifest);
        let is_written = written.is_ok();
        self.cache(CachedManifest { manifest: Arc::clone(manifest), is_checked: true, is_written });
        written
    }

    /// Writes the manifests in memory that could not be written before, or all of them.
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
        let fresh = self.folder.join(format!("{}.new", self.next.fetch_add(1, Ordering::Relaxed)));
        let written = write_new(&fresh, &manifest_file::encode(manifest))
            .and_then(|()| fs::rename(&fresh, self.path(manifest.digest())));
        if written.is_err() {
            // On a full disk the part of it that was written is in the way.
            let _ = fs::remove_file(&fresh);
        }
        // The folder and not the file, so that many that fail alike are reported once.
        written.map_err(at_path(&self.folder))
    }

    /// Removes every manifest of a content that is not needed; returns how many. What is needed is asked after looking
    /// at what is there, so that one saved meanwhile stays if its content was made known before.
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

    /// Removes what a crash left half written; nobody may be writing.
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
        let is_it = |kept: &CachedManifest| {
            kept.manifest.digest() == digest && kept.manifest.geometry().size() == size
        };
        let at = recent.iter().position(is_it)?;
        let kept = recent.remove(at)?;
        let manifest = Arc::clone(&kept.manifest);
        let stored = if kept.is_checked {
            LoadedManifest::Checked(manifest)
        } else {
            LoadedManifest::Unchecked(manifest)
        };
        recent.push_front(kept);
        Some(stored)
    }

    /// Keeps what has states in memory until others were used more recently.
    fn cache(&self, fresh: CachedManifest) {
        let bytes = |kept: &CachedManifest| size_of_val(kept.manifest.states());
        if fresh.manifest.states().is_empty() || bytes(&fresh) > MAX_CACHED_BYTES {
            return;
        }
        let mut recent = self.recent.lock();
        recent.retain(|kept| kept.manifest.digest() != fresh.manifest.digest());
        recent.push_front(fresh);
        let mut total: usize = recent.iter().map(bytes).sum();
        while total > MAX_CACHED_BYTES || recent.len() > MAX_CACHED {
            total -= recent.pop_back().as_ref().map_or(total, bytes);
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    open_regular_file(path, &mut options, LinkPolicy::Refuse)?.write_all(bytes)
}

#[cfg(test)]
mod tests;
