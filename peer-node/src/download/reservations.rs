//! The final names of downloads that are not complete: no two downloads take the same one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Target;
use super::part_folders::Kept;
use super::place::{self, PlaceError};

/// The names that are reserved; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reservations {
    names: Arc<Mutex<HashSet<PathBuf>>>,
}

/// A name that no other download takes; free again when dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    reservations: Reservations,
    asked_for: PathBuf,
    name: PathBuf,
}

/// Where a download is to lie.
#[derive(Debug, Default)]
pub(super) struct ReservedTarget {
    /// The path that was asked for.
    pub(super) asked_for: PathBuf,
    /// The name that the file will have, while nothing has it.
    pub(super) reserved: Option<Reserved>,
    /// What an earlier run has left of it, if that is known.
    pub(super) kept: Option<Kept>,
}

impl Reservations {
    /// Reserves the first of `name`, `name (1)` and so on that nothing has. Blocking.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be looked into, and if all names that are tried are taken.
    pub(super) fn reserve(&self, asked_for: &Path) -> Result<Reserved, PlaceError> {
        // Reserved before the file system is asked, so that two that ask together get different names and nobody waits for
        // another's disk.
        let mut reserved = place::names(asked_for).filter_map(|name| {
            let is_new = self.names.lock().insert(name.clone());
            is_new.then(|| Reserved { reservations: self.clone(), asked_for: asked_for.to_owned(), name })
        });
        let free = reserved.find(|reserved| place::is_free(&reserved.name));
        free.ok_or_else(|| match place::obstacle(asked_for) {
            Some((folder, source)) => PlaceError::Folder { folder, source },
            None => PlaceError::NoFreeName { target: asked_for.to_owned() },
        })
    }
}

impl ReservedTarget {
    /// Finds out where a target is and reserves a name there. Blocking.
    pub(super) fn new(root: &Path, target: &Target, reservations: &Reservations) -> Self {
        let asked_for = place::asked_for(root, target);
        // Without a free name the download fails when it needs one.
        let reserved = reservations.reserve(&asked_for).ok();
        Self { asked_for, reserved, kept: None }
    }

    /// Returns the path that the file will have, as far as is known.
    pub(super) fn path(&self) -> &Path {
        self.reserved.as_ref().map_or(&self.asked_for, Reserved::name)
    }
}

impl Reserved {
    /// Returns the name.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Reserves another name, because something has taken this one meanwhile.
    pub(super) fn renew(&mut self) -> Result<(), PlaceError> {
        let next = self.reservations.reserve(&self.asked_for)?;
        *self = next;
        Ok(())
    }
}

impl Drop for Reserved {
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
        let reservations = Reservations::default();
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
