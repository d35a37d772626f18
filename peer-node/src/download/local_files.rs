//! What of a wanted content is on this machine already.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::share_path::SharePath;

use super::location::{is_free, numbered_names};
use crate::library::{ShareListing, SharedFile};

/// The most files of one content that are tried as originals of a copy.
const MAX_COPY_SOURCES: usize = 64;

/// Returns where a shared file with the content lies that has the name asked for, or one of its numbered names. Blocking.
pub(super) fn at_target(
    files: &ShareListing,
    root: &Path,
    asked_for: &Path,
    digest: &Digest,
) -> Option<PathBuf> {
    let mut taken = numbered_names(asked_for).take_while(|name| !is_free(name));
    taken.find(|name| is_shared_at(files, root, name, digest))
}

/// Returns where any shared file with the content lies. Blocking.
pub(super) fn anywhere(files: &ShareListing, digest: &Digest) -> Option<PathBuf> {
    files.by_digest(digest).find(|file| is_unchanged(file)).map(|file| file.location.clone())
}

/// Returns the shared files that have the content, a few, those on the file system of `target` first: only they share their
/// bytes with a copy, or can be linked. Blocking.
pub(super) fn copy_sources<'a>(
    files: &'a ShareListing,
    digest: &Digest,
    target: &Path,
) -> Vec<&'a SharedFile> {
    let device =
        target.ancestors().skip(1).find_map(|above| fs::metadata(above).ok()).map(|found| found.dev());
    let mut originals: Vec<&SharedFile> = files.by_digest(digest).take(MAX_COPY_SOURCES).collect();
    originals.sort_by_key(|file| Some(file.identity.dev) != device);
    originals
}

fn is_shared_at(files: &ShareListing, root: &Path, location: &Path, digest: &Digest) -> bool {
    // Of an empty file there may be thousands: one in the node's folder is found by its path.
    let path = location.strip_prefix(root).ok().and_then(Path::to_str);
    let by_path = path.and_then(|path| files.get(&SharePath::parse(path).ok()?));
    if let Some(file) = by_path.filter(|file| file.location == location) {
        return file.digest == *digest && is_unchanged(file);
    }
    files.by_digest(digest).any(|file| file.location == location && is_unchanged(file))
}

/// Returns true if a file looks as it did when it was hashed.
fn is_unchanged(file: &SharedFile) -> bool {
    file.open().is_ok()
}
