//! Reserves the final names of incomplete downloads, so that no two downloads take the same one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::DownloadTarget;
use super::location::{self, LocationError};
use super::part_folders::KeptPart;

/// The reserved names; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameReservations {
    names: Arc<Mutex<HashSet<PathBuf>>>,
}

/// A name that no other download takes; released when dropped.
#[derive(Debug)]
pub(super) struct ReservedName {
    reservations: NameReservations,
    requested_path: PathBuf,
    name: PathBuf,
}

/// The target of a download with its reserved name.
#[derive(Debug, Default)]
pub(super) struct ReservedTarget {
    /// The path that was requested.
    pub(super) requested_path: PathBuf,
    /// The reserved final name, if one was free.
    pub(super) reserved_name: Option<ReservedName>,
    /// Data left by an earlier run, if known.
    pub(super) kept_part: Option<KeptPart>,
}

impl NameReservations {
    /// Reserves the first unused name among `name`, `name (1)` and so on. Blocking.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read or if all numbered names are taken.
    pub(super) fn reserve(&self, requested_path: &Path) -> Result<ReservedName, LocationError> {
        // Reserved before the file system is checked, so that concurrent requests get different names and the lock is never
        // held during disk access.
        let mut reserved = location::numbered_names(requested_path).filter_map(|name| {
            let is_new = self.names.lock().insert(name.clone());
            is_new.then(|| ReservedName {
                reservations: self.clone(),
                requested_path: requested_path.to_owned(),
                name,
            })
        });
        let free = reserved.find(|reserved| location::is_free(&reserved.name));
        free.ok_or_else(|| match location::obstacle(requested_path) {
            Some((folder, source)) => LocationError::Folder { folder, source },
            None => LocationError::NoFreeName { target: requested_path.to_owned() },
        })
    }
}

impl ReservedTarget {
    /// Determines the path of a target and reserves a name there. Blocking.
    pub(super) fn new(root: &Path, target: &DownloadTarget, reservations: &NameReservations) -> Self {
        let requested_path = location::requested_path(root, target);
        // If no name is free, the download fails later, when it needs one.
        let reserved = reservations.reserve(&requested_path).ok();
        Self { requested_path, reserved_name: reserved, kept_part: None }
    }

    /// Returns the expected path of the file.
    pub(super) fn path(&self) -> &Path {
        self.reserved_name.as_ref().map_or(&self.requested_path, ReservedName::name)
    }
}

impl ReservedName {
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Reserves another name because this one has been taken in the meantime.
    pub(super) fn renew(&mut self) -> Result<(), LocationError> {
        let next = self.reservations.reserve(&self.requested_path)?;
        *self = next;
        Ok(())
    }
}

impl Drop for ReservedName {
    fn drop(&mut self) {
        self.reservations.names.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn taken_and_reserved_names_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a.tar.gz");
        let reservations = NameReservations::default();
        let reserve = || reservations.reserve(&target).unwrap();
        let first = reserve();
        assert_eq!(first.name(), target);
        std::os::unix::fs::symlink("nowhere", root.path().join("a.tar (1).gz")).unwrap();
        let mut second = reserve();
        assert_eq!(second.name(), root.path().join("a.tar (2).gz"));
        fs::write(second.name(), "mine").unwrap();
        second.renew().unwrap();
        assert_eq!(second.name(), root.path().join("a.tar (3).gz"));
        drop(first);
        assert_eq!(reserve().name(), target);
    }
}
