//! Finds wanted content that is already on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::share_path::SharePath;

use super::location::{is_free, numbered_names};
use crate::library::{ShareListing, SharedFile};
use crate::platform::file_id;

/// Maximum number of files with the same content that are tried as the original of a copy.
const MAX_COPY_SOURCES: usize = 64;

/// Returns the path of a shared file with the content under the requested name or one of its numbered names. Blocking.
pub(super) fn at_target(
    files: &ShareListing,
    root: &Path,
    requested_path: &Path,
    digest: &Digest,
) -> Option<PathBuf> {
    let mut taken = numbered_names(requested_path).take_while(|name| !is_free(name));
    taken.find(|name| is_shared_at(files, root, name, digest))
}

/// Returns the path of any shared file with the content. Blocking.
pub(super) fn anywhere(files: &ShareListing, digest: &Digest) -> Option<PathBuf> {
    files.by_digest(digest).find(|file| is_unchanged(file)).map(|file| file.location.clone())
}

/// Returns some of the shared files with the content. Files on the file system of `target` come first, since only they can
/// be reflinked or hard-linked. Blocking.
pub(super) fn copy_sources<'a>(
    files: &'a ShareListing,
    digest: &Digest,
    target: &Path,
) -> Vec<&'a SharedFile> {
    let folder = target.ancestors().skip(1).find_map(|above| fs::metadata(above).ok());
    let device = folder.and_then(|folder| Some(file_id(&folder).ok()?.device));
    let mut originals: Vec<&SharedFile> = files.by_digest(digest).take(MAX_COPY_SOURCES).collect();
    originals.sort_by_key(|file| Some(file.identity.dev) != device);
    originals
}

fn is_shared_at(files: &ShareListing, root: &Path, location: &Path, digest: &Digest) -> bool {
    // Thousands of shared files may be empty, so a file in the node's folder is looked up by path first.
    let path = location.strip_prefix(root).ok().and_then(Path::to_str);
    let by_path = path.and_then(|path| files.get(&SharePath::parse(path).ok()?));
    if let Some(file) = by_path.filter(|file| file.location == location) {
        return file.digest == *digest && is_unchanged(file);
    }
    files.by_digest(digest).any(|file| file.location == location && is_unchanged(file))
}

/// Returns true if a file looks unchanged since it was hashed.
fn is_unchanged(file: &SharedFile) -> bool {
    file.open().is_ok()
}
