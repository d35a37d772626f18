use std::collections::{HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::manifest::{Manifest, state_count};

/// How many bytes of states are kept in memory: 256 manifests of the usual largest size.
const KEPT_BYTES: usize = 32 << 20;

/// How many manifests are kept in memory at most; looking through them is a few microseconds.
const MAX_KEPT: usize = 256;

/// The bytes of one state.
const STATE: u64 = 32;

/// The manifests of shared files, one file of raw states for each content of several pieces.
///
/// They are worth no more than the time to hash the content again: they are written without waiting for the disk, and
/// one that is missing or cut counts as none.
#[derive(Debug)]
pub(super) struct ManifestStore {
    folder: PathBuf,
    /// Tells apart what several threads write at once.
    next: AtomicU64,
    recent: Mutex<VecDeque<Arc<Manifest>>>,
}

impl ManifestStore {
    /// Keeps manifests in a folder that exists.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, next: AtomicU64::new(0), recent: Mutex::default() }
    }

    /// Returns the manifest of a content of that size, if it is there and whole.
    pub(super) fn load(&self, digest: Digest, size: u64) -> io::Result<Option<Arc<Manifest>>> {
        if let Some(manifest) = self.recall(digest, size) {
            return Ok(Some(manifest));
        }
        let Ok(geometry) = Geometry::native(size) else { return Ok(None) };
        let length = u64::from(state_count(&geometry)) * STATE;
        let mut bytes = Vec::new();
        if length > 0 {
            match File::open(self.path(digest)) {
                Ok(file) => file.take(length + 1).read_to_end(&mut bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        let Ok(manifest) = Manifest::from_state_bytes(digest, geometry, &bytes) else { return Ok(None) };
        let manifest = Arc::new(manifest);
        self.remember(&manifest);
        Ok(Some(manifest))
    }

    /// Says whether a content of that size has its manifest here; a look at the file's length, not a proof.
    pub(super) fn has(&self, digest: Digest, size: u64) -> bool {
        let Ok(geometry) = Geometry::native(size) else { return false };
        let length = u64::from(state_count(&geometry)) * STATE;
        length == 0 || fs::metadata(self.path(digest)).is_ok_and(|found| found.len() == length)
    }

    /// Keeps a manifest.
    pub(super) fn save(&self, manifest: &Arc<Manifest>) -> io::Result<()> {
        let (digest, size) = (manifest.digest(), manifest.geometry().size());
        if !self.has(digest, size) {
            let fresh = self.folder.join(format!("{}.new", self.next.fetch_add(1, Ordering::Relaxed)));
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&manifest.state_bytes())?;
            fs::rename(fresh, self.path(digest))?;
        }
        self.remember(manifest);
        Ok(())
    }

    /// Removes every manifest of a content that is not needed; returns how many. What is needed is asked after looking
    /// at what is there, so that one saved meanwhile stays if its content was made known before.
    pub(super) fn retain(&self, needed: impl FnOnce() -> HashSet<Digest>) -> io::Result<usize> {
        let mut there: HashSet<Digest> = HashSet::new();
        for entry in fs::read_dir(&self.folder)? {
            there.extend(entry?.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()));
        }
        let needed = needed();
        let unneeded: Vec<&Digest> = there.difference(&needed).collect();
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

    fn recall(&self, digest: Digest, size: u64) -> Option<Arc<Manifest>> {
        let mut recent = self.recent.lock();
        let is_it = |kept: &Arc<Manifest>| kept.digest() == digest && kept.geometry().size() == size;
        let at = recent.iter().position(is_it)?;
        let manifest = recent.remove(at)?;
        recent.push_front(Arc::clone(&manifest));
        Some(manifest)
    }

    /// Keeps what has states in memory until others were used more recently.
    fn remember(&self, manifest: &Arc<Manifest>) {
        let bytes = |manifest: &Arc<Manifest>| size_of_val(manifest.states());
        if manifest.states().is_empty() || bytes(manifest) > KEPT_BYTES {
            return;
        }
        let mut recent = self.recent.lock();
        recent.retain(|kept| kept.digest() != manifest.digest());
        recent.push_front(Arc::clone(manifest));
        let mut total: usize = recent.iter().map(bytes).sum();
        while total > KEPT_BYTES || recent.len() > MAX_KEPT {
            total -= recent.pop_back().as_ref().map_or(total, bytes);
        }
    }
}

#[cfg(test)]
mod tests;
