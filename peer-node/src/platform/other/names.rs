use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::unsupported;

/// Renames a file without ever replacing another one. A hard link does not replace files, whereas a rename does here.
pub(crate) fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// Makes the names in a folder durable: not supported here.
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Err(unsupported())
}

/// Converts a path to bytes.
pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// Converts bytes from [`path_to_bytes`] back. What is not Unicode is replaced: there is no safe way back.
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        .into()
}
