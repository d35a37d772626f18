use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The mode of a folder that only its owner can use.
const PRIVATE_MODE: u32 = 0o700;

/// Creates a folder that only its owner can use. Its parents must exist.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(PRIVATE_MODE).create(path)
}

/// Returns true if a folder has the permissions of [`create_private_folder`].
pub(crate) fn is_private(found: &Metadata) -> bool {
    mode(found) == PRIVATE_MODE
}

/// Restricts a folder to its owner. It is named by its path, since it may be unreadable: the umask may have removed its owner's
/// rights as well.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(PRIVATE_MODE))
}

/// Returns the mode of a folder if other users can use it.
pub(crate) fn exposed_mode(found: &Metadata) -> Option<u32> {
    Some(mode(found)).filter(|mode| mode & !PRIVATE_MODE != 0)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn mode(found: &Metadata) -> u32 {
    found.permissions().mode() & 0o777
}
