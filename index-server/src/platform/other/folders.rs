use std::fs::Metadata;
use std::io;
use std::path::Path;

use super::unsupported;

/// Creates a folder that only its owner can use: not supported here.
pub(crate) fn create_private_folder(_path: &Path) -> io::Result<()> {
    Err(unsupported())
}

/// Returns true if only its owner can use a folder, which is unknown here.
pub(crate) const fn is_private(_found: &Metadata) -> bool {
    false
}

/// Restricts a folder to its owner: not supported here.
pub(crate) fn make_private(_path: &Path) -> io::Result<()> {
    Err(unsupported())
}

/// Returns the mode of a folder that other users can use. Folders have no modes here.
pub(crate) const fn exposed_mode(_found: &Metadata) -> Option<u32> {
    None
}

/// Makes the names in a folder durable: not supported here.
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Err(unsupported())
}
