//! Renames a complete part file to its final name.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{PartFile, open_unnamed};
use crate::download::location::{self, LocationError};
use crate::download::part_folders::{PartFolders, PartLocation};
use crate::download::reservations::ReservedName;
use crate::storage::FileIdentity;
use crate::storage::Folder;

impl PartFile {
    /// Makes the data durable and renames the file to the reserved name, or to the next free one if that has been taken. The
    /// name is not durable yet.
    pub(in crate::download) fn finalize(self, mut reserved: ReservedName) -> io::Result<NamedFile> {
        self.file.sync_all()?;
        // Reopened by name: users will look for the file in the folder that has this name now.
        let folder = location::create_folder(self.folders.root(), reserved.name());
        let folder = folder.map_err(|error| match error {
            LocationError::Folder { source, .. } => source,
            other => io::Error::other(other),
        })?;
        let file = loop {
            let named = match &self.named {
                Some(named) => named.location.move_part((&folder, file_name(reserved.name()))),
                None => folder.link_new(&self.file, reserved.name()),
            };
            // Even within one file system a rename can fail, for example between folders with different project quotas.
            let named = match named {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    self.copy_to((&folder, reserved.name()), error)
                }
                named => named.map(|()| Arc::clone(&self.file)),
            };
            match named {
                Ok(file) => break file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    reserved.renew().map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        };
        let location = reserved.name().to_owned();
        let folder = Arc::new(folder);
        let part = self.named.map(|named| (self.folders, named.location));
        Ok(NamedFile { location, folder, file, part_location: part })
    }

    /// Copies the file to a folder that it cannot be moved to, and returns the copy. Fails with `error` if the file system cannot
    /// create an unnamed file there.
    fn copy_to(&self, (folder, target): (&Folder, &Path), error: io::Error) -> io::Result<Arc<File>> {
        let copy = open_unnamed(folder).ok_or(error)?;
        let mut original = &*self.file;
        original.rewind()?;
        io::copy(&mut original, &mut &copy)?;
        let found = self.file.metadata()?;
        copy.set_permissions(found.permissions())?;
        copy.set_modified(found.modified()?)?;
        copy.sync_all()?;
        folder.link_new(&copy, target)?;
        Ok(Arc::new(copy))
    }
}

/// A file with its final name, which becomes durable by a sync of its folder.
#[derive(Debug)]
pub(in crate::download) struct NamedFile {
    location: PathBuf,
    folder: Arc<Folder>,
    file: Arc<File>,
    /// Location of its part file, if that had a name.
    part_location: Option<(PartFolders, PartLocation)>,
}

impl NamedFile {
    /// Returns the folder to sync.
    pub(in crate::download) fn folder(&self) -> Arc<Folder> {
        Arc::clone(&self.folder)
    }

    /// Removes what is left of the part file, after the name is durable. Returns the path and the identity of the file.
    pub(in crate::download) fn finish(self) -> io::Result<(PathBuf, FileIdentity)> {
        if let Some((folders, location)) = &self.part_location {
            location.paths.remove();
            folders.remove_folder_if_empty(&location.paths);
        }
        let identity = FileIdentity::from_file(&self.file)?;
        Ok((self.location, identity.ok_or(io::ErrorKind::InvalidData)?))
    }
}

fn file_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}
