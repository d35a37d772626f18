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

/// Scan number. A file that a later scan did not see has been removed.
pub(super) type ScanId = u64;

/// A file that a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScannedFile {
    pub(super) location: PathBuf,
    /// The network name that its share assigns.
    pub(super) path: SharePath,
    pub(super) identity: FileIdentity,
}

/// What the actor must do about a scanned file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observation {
    /// Nothing: the file is listed and unchanged.
    Known,
    /// Find or compute its digest.
    NeedsHash,
    /// Skip it: there is no capacity or no free name left.
    Full,
}

/// All files that are to be shared, hashed or not. Pure: takes what scans found and what was hashed, and returns the resulting
/// listings.
///
/// A file is listed only while its last known identity is the one that was hashed. No two files have the same name.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    entries: BTreeMap<PathBuf, InventoryEntry>,
    /// Every name in use, with the file if it is listed.
    names: BTreeMap<SharePath, Option<Arc<SharedFile>>>,
    /// The listed files.
    listing: ShareListing,
    revision: u64,
}

#[derive(Debug)]
struct InventoryEntry {
    path: SharePath,
    /// The name that the share assigns, if another file had taken it.
    preferred_path: Option<SharePath>,
    identity: FileIdentity,
    last_seen: ScanId,
}

impl Inventory {
    /// Records that a scan has seen a file. A file that has changed leaves the listing at once.
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
                        if let Some(file) = slot.take() {
                            self.listing.remove(&file);
                            self.revision += 1;
                        }
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
        // Reserve the name without listing the file: it has no digest yet.
        self.names.insert(name.clone(), None);
        let preferred_path = (name != path).then_some(path);
        self.entries
            .insert(location, InventoryEntry { path: name, preferred_path, identity, last_seen: scan });
        Observation::NeedsHash
    }

    /// Lists a file under its digest, if its identity is still the one that was hashed.
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
        let previous = self.names.insert(entry.path.clone(), Some(Arc::clone(&file)));
        if let Some(previous) = previous.flatten() {
            self.listing.remove(&previous);
        }
        self.listing.insert(Arc::clone(&file));
        self.revision += 1;
        Some(file)
    }

    /// Removes a file from the listing until it is hashed again; returns its last known identity.
    pub(super) fn invalidate(&mut self, location: &Path) -> Option<FileIdentity> {
        let entry = self.entries.get(location)?;
        if let Some(file) = self.names.get_mut(&entry.path).and_then(Option::take) {
            self.listing.remove(&file);
            self.revision += 1;
        }
        Some(entry.identity)
    }

    /// Removes a file; returns it if it was listed.
    pub(super) fn remove(&mut self, location: &Path) -> Option<Arc<SharedFile>> {
        let entry = self.entries.remove(location)?;
        let listed = self.names.remove(&entry.path).flatten();
        if let Some(file) = &listed {
            self.listing.remove(file);
            self.revision += 1;
        }
        listed
    }

    /// Removes the files at and below a place that were last seen before `scan`; returns their locations.
    pub(super) fn sweep(&mut self, place: &Path, scan: ScanId) -> Vec<PathBuf> {
        let removed = beneath(&self.entries, place).filter(|(_, entry)| entry.last_seen < scan);
        let removed: Vec<PathBuf> = removed.map(|(location, _)| location.clone()).collect();
        for location in &removed {
            self.remove(location);
        }
        removed
    }

    /// Returns true if a file at or below the place is known, hashed or not.
    pub(super) fn has_beneath(&self, place: &Path) -> bool {
        beneath(&self.entries, place).next().is_some()
    }

    /// Returns the locations of known files at and below a place.
    pub(super) fn locations_beneath<'a>(&'a self, place: &'a Path) -> impl Iterator<Item = &'a Path> {
        beneath(&self.entries, place).map(|(location, _)| location.as_path())
    }

    /// Returns the listed files at and below a place.
    pub(super) fn listed_beneath<'a>(&'a self, place: &'a Path) -> impl Iterator<Item = &'a Arc<SharedFile>> {
        beneath(&self.entries, place).filter_map(|(_, entry)| self.names.get(&entry.path)?.as_ref())
    }

    /// Returns the location of the file with this name.
    pub(super) fn location_of(&self, path: &SharePath) -> Option<PathBuf> {
        let slot = self.names.get(path)?;
        slot.as_ref().map(|file| file.location.clone()).or_else(|| {
            let mut entries = self.entries.iter();
            entries.find(|(_, entry)| entry.path == *path).map(|(location, _)| location.clone())
        })
    }

    /// Returns the name of the file at this location.
    pub(super) fn path_of(&self, location: &Path) -> Option<&SharePath> {
        self.entries.get(location).map(|entry| &entry.path)
    }

    /// Returns the last known identity of the file at this location.
    pub(super) fn identity_of(&self, location: &Path) -> Option<FileIdentity> {
        self.entries.get(location).map(|entry| entry.identity)
    }

    /// Returns true if a file or a folder has this name.
    pub(super) fn is_taken(&self, path: &SharePath) -> bool {
        // The content of a folder sorts after it, but `folder-x` may come in between: look for `folder/` itself.
        let mut folder = path.as_str().to_owned();
        folder.push('/');
        self.names.contains_key(path) || {
            let bounds = (std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded);
            let mut after = self.names.range::<SharePath, _>(bounds).map(|(name, _)| name.as_str());
            after.find(|name| *name > folder.as_str()).is_some_and(|name| name.starts_with(&folder))
        }
    }

    /// Returns the last known identities of all files.
    pub(super) fn identities(&self) -> impl Iterator<Item = FileIdentity> {
        self.entries.values().map(|entry| entry.identity)
    }

    /// Returns a number that grows with every change of the listing.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the number of known files, hashed or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the current listing. This copies no file.
    pub(super) fn listing(&self) -> ShareListing {
        self.listing.clone()
    }
}

#[cfg(test)]
mod tests;
