//! How a part file that is whole comes to its name.

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
    /// Makes the bytes durable and gives the file the reserved name, or the next free one if something has taken it; the name
    /// is not durable yet.
    pub(in crate::download) fn finalize(self, mut reserved: ReservedName) -> io::Result<NamedFile> {
        self.file.sync_all()?;
        // Opened anew: the folder that has the name now is the one in which the file is looked for.
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
            // Quotas of folders, for one, are borders within a file system.
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

    /// Copies the file to where it cannot be moved, and returns the copy; fails with `error` if that is not possible without a
    /// file under another name.
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

/// A file that has its name, which still has to be made durable by a sync of its folder.
#[derive(Debug)]
pub(in crate::download) struct NamedFile {
    location: PathBuf,
    folder: Arc<Folder>,
    file: Arc<File>,
    /// Where its part was, if that had a name.
    part_location: Option<(PartFolders, PartLocation)>,
}

impl NamedFile {
    /// Returns the folder that is to be synced.
    pub(in crate::download) fn folder(&self) -> Arc<Folder> {
        Arc::clone(&self.folder)
    }

    /// Ends the download, whose name is durable now. Returns where the file lies, and what it looks like.
    pub(in crate::download) fn finish(self) -> io::Result<(PathBuf, FileIdentity)> {
        if let Some((folders, place)) = &self.part_location {
            place.paths.remove();
            folders.remove_folder_if_empty(&place.paths);
        }
        let identity = FileIdentity::from_file(&*self.file)?;
        Ok((self.location, identity.ok_or(io::ErrorKind::InvalidData)?))
    }
}

/// Returns the last component of a path.
fn file_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}
