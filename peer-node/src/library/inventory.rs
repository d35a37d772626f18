use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use protocol::digest::Digest;
use protocol::limits::MAX_FILES_PER_NODE;
use protocol::share_path::SharePath;

use super::free_name::{EntryKind, free_name};
use super::listing::{ShareListing, SharedFile};
use super::shares::beneath;
use crate::storage::FileIdentity;

/// Numbers the scans, so that what a later one no longer saw is known to be gone.
pub(super) type ScanId = u64;

/// A file that a scan saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScannedFile {
    pub(super) location: PathBuf,
    /// The name that its place gives it.
    pub(super) path: SharePath,
    pub(super) identity: FileIdentity,
}

/// What seeing a file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observation {
    /// It is known as it is, hashed or about to be.
    Known,
    /// Its digest is wanted.
    NeedsHash,
    /// There is no room or no name left for it.
    Full,
}

/// Every file that is to be shared, hashed or not. Pure: it is told what lies on the disk and what was hashed, and
/// gives the listings that follow from it.
///
/// A file is in a listing exactly while it was last seen as it was hashed; no two files have the same name.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    entries: BTreeMap<PathBuf, InventoryEntry>,
    /// Every name that is taken, and by which file if that is hashed.
    names: BTreeMap<SharePath, Option<Arc<SharedFile>>>,
    revision: u64,
}

#[derive(Debug)]
struct InventoryEntry {
    path: SharePath,
    /// The name it would have if that had been free.
    preferred_path: Option<SharePath>,
    identity: FileIdentity,
    last_seen: ScanId,
}

impl Inventory {
    /// Takes in that a file was seen; one that looks different leaves the listing at once.
    pub(super) fn observe(&mut self, found: ScannedFile, scan: ScanId) -> Observation {
        let ScannedFile { location, path, identity } = found;
        if let Some(entry) = self.entries.get_mut(&location) {
            if entry.preferred_path.as_ref().unwrap_or(&entry.path) == &path {
                entry.last_seen = scan;
                let is_same = std::mem::replace(&mut entry.identity, identity) == identity;
                let slot = self.names.get_mut(&entry.path);
                return match slot {
                    Some(Some(_)) if is_same => Observation::Known,
                    Some(slot) => {
                        self.revision += u64::from(slot.take().is_some());
                        Observation::NeedsHash
                    }
                    None => Observation::NeedsHash,
                };
            }
            self.remove(&location);
        }
        if self.entries.len() >= MAX_FILES_PER_NODE as usize {
            return Observation::Full;
        }
        let Some(name) = free_name(&path, EntryKind::File, |name| self.names.contains_key(name)) else {
            return Observation::Full;
        };
        self.names.insert(name.clone(), None);
        let wanted = (name != path).then_some(path);
        self.entries.insert(
            location,
            InventoryEntry { path: name, preferred_path: wanted, identity, last_seen: scan },
        );
        Observation::NeedsHash
    }

    /// Lists a file under its digest, if it still is what was hashed.
    pub(super) fn confirm(
        &mut self,
        location: &Path,
        identity: FileIdentity,
        digest: Digest,
        since: SystemTime,
    ) -> Option<Arc<SharedFile>> {
        let entry = self.entries.get(location).filter(|entry| entry.identity == identity)?;
        let (path, size) = (entry.path.clone(), identity.size);
        let file = SharedFile { path, location: location.to_owned(), identity, size, digest, since };
        let file = Arc::new(file);
        self.names.insert(entry.path.clone(), Some(Arc::clone(&file)));
        self.revision += 1;
        Some(file)
    }

    /// Takes a file out of the listing until it is hashed again; returns what it was last seen as.
    pub(super) fn invalidate(&mut self, location: &Path) -> Option<FileIdentity> {
        let entry = self.entries.get(location)?;
        let was_listed = self.names.get_mut(&entry.path).is_some_and(|slot| slot.take().is_some());
        self.revision += u64::from(was_listed);
        Some(entry.identity)
    }

    /// Forgets a file; returns it if it was listed.
    pub(super) fn remove(&mut self, location: &Path) -> Option<Arc<SharedFile>> {
        let entry = self.entries.remove(location)?;
        let listed = self.names.remove(&entry.path).flatten();
        self.revision += u64::from(listed.is_some());
        listed
    }

    /// Forgets the files at and below a place that no scan since `scan` has seen; returns where they lay.
    pub(super) fn sweep(&mut self, place: &Path, scan: ScanId) -> Vec<PathBuf> {
        let gone = beneath(&self.entries, place).filter(|(_, entry)| entry.last_seen < scan);
        let gone: Vec<PathBuf> = gone.map(|(location, _)| location.clone()).collect();
        for location in &gone {
            self.remove(location);
        }
        gone
    }

    /// Says whether any file is known at or below the place, hashed or not.
    pub(super) fn has_beneath(&self, place: &Path) -> bool {
        beneath(&self.entries, place).next().is_some()
    }

    /// Goes through the known places at and below the place.
    pub(super) fn locations_beneath<'a>(&'a self, place: &'a Path) -> impl Iterator<Item = &'a Path> {
        beneath(&self.entries, place).map(|(location, _)| location.as_path())
    }

    /// Goes through the listed files at and below the place.
    pub(super) fn listed_beneath<'a>(&'a self, place: &'a Path) -> impl Iterator<Item = &'a Arc<SharedFile>> {
        beneath(&self.entries, place).filter_map(|(_, entry)| self.names.get(&entry.path)?.as_ref())
    }

    /// Returns where the file of that name lies.
    pub(super) fn location_of(&self, path: &SharePath) -> Option<PathBuf> {
        let slot = self.names.get(path)?;
        slot.as_ref().map(|file| file.location.clone()).or_else(|| {
            let mut entries = self.entries.iter();
            entries.find(|(_, entry)| entry.path == *path).map(|(location, _)| location.clone())
        })
    }

    /// Returns the name of the file at that place.
    pub(super) fn path_of(&self, location: &Path) -> Option<&SharePath> {
        self.entries.get(location).map(|entry| &entry.path)
    }

    /// Returns what the file at that place was last seen as.
    pub(super) fn identity_of(&self, location: &Path) -> Option<FileIdentity> {
        self.entries.get(location).map(|entry| entry.identity)
    }

    /// Says whether the name, as that of a file or of a folder, is taken.
    pub(super) fn is_taken(&self, path: &SharePath) -> bool {
        // What lies in a folder comes after it, but `folder-x` may stand between: look for `folder/` itself.
        let mut folder = path.as_str().to_owned();
        folder.push('/');
        self.names.contains_key(path) || {
            let bounds = (std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded);
            let mut after = self.names.range::<SharePath, _>(bounds).map(|(name, _)| name.as_str());
            after.find(|name| *name > folder.as_str()).is_some_and(|name| name.starts_with(&folder))
        }
    }

    /// Goes through what the known files were last seen as.
    pub(super) fn identities(&self) -> impl Iterator<Item = FileIdentity> {
        self.entries.values().map(|entry| entry.identity)
    }

    /// Returns a number that grows with every change of what would be listed.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns how many files are known, hashed or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns what is listed now.
    pub(super) fn listing(&self) -> ShareListing {
        ShareListing::from_sorted(self.names.values().flatten().cloned().collect())
    }
}

#[cfg(test)]
mod tests;
