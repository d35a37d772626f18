//! The final names of downloads that are not complete: no two downloads take the same one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::DownloadTarget;
use super::location::{self, LocationError};
use super::part_folders::KeptPart;

/// The names that are reserved; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct NameReservations {
    names: Arc<Mutex<HashSet<PathBuf>>>,
}

/// A name that no other download takes; free again when dropped.
#[derive(Debug)]
pub(super) struct ReservedName {
    reservations: NameReservations,
    requested_path: PathBuf,
    name: PathBuf,
}

/// Where a download is to lie.
#[derive(Debug, Default)]
pub(super) struct ReservedTarget {
    /// The path that was asked for.
    pub(super) requested_path: PathBuf,
    /// The name that the file will have, while nothing has it.
    pub(super) reserved_name: Option<ReservedName>,
    /// What an earlier run has left of it, if that is known.
    pub(super) kept_part: Option<KeptPart>,
}

impl NameReservations {
    /// Reserves the first of `name`, `name (1)` and so on that nothing has. Blocking.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be looked into, and if all names that are tried are taken.
    pub(super) fn reserve(&self, asked_for: &Path) -> Result<ReservedName, LocationError> {
        // Reserved before the file system is asked, so that two that ask together get different names and nobody waits for
        // another's disk.
        let mut reserved = location::numbered_names(asked_for).filter_map(|name| {
            let is_new = self.names.lock().insert(name.clone());
            is_new.then(|| ReservedName {
                reservations: self.clone(),
                requested_path: asked_for.to_owned(),
                name,
            })
        });
        let free = reserved.find(|reserved| location::is_free(&reserved.name));
        free.ok_or_else(|| match location::obstacle(asked_for) {
            Some((folder, source)) => LocationError::Folder { folder, source },
            None => LocationError::NoFreeName { target: asked_for.to_owned() },
        })
    }
}

impl ReservedTarget {
    /// Finds out where a target is and reserves a name there. Blocking.
    pub(super) fn new(root: &Path, target: &DownloadTarget, reservations: &NameReservations) -> Self {
        let asked_for = location::requested_path(root, target);
        // Without a free name the download fails when it needs one.
        let reserved = reservations.reserve(&asked_for).ok();
        Self { requested_path: asked_for, reserved_name: reserved, kept_part: None }
    }

    /// Returns the path that the file will have, as far as is known.
    pub(super) fn path(&self) -> &Path {
        self.reserved_name.as_ref().map_or(&self.requested_path, ReservedName::name)
    }
}

impl ReservedName {
    /// Returns the name.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Reserves another name, because something has taken this one meanwhile.
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
