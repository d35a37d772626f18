//! Resolves the paths that a user names. Reads the file system; runs on blocking threads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::error::LibraryError;
use super::free_name::EntryKind;
use super::report::SkipReason;

/// An existing file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShareTarget {
    /// Absolute path; none of its parent folders is a link.
    pub(super) location: PathBuf,
    pub(super) kind: EntryKind,
}

/// The possible meanings of a path that need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathCandidates {
    /// The path as the user typed it.
    pub(super) text: PathBuf,
    /// The path as a network name.
    pub(super) share_path: Option<SharePath>,
    /// The path as absolute paths, each with whether it exists; the likelier one first.
    pub(super) locations: Vec<(PathBuf, bool)>,
}

/// Finds a file or folder by a path relative to the working directory or to the share folder.
pub(super) fn find_target(root: &Path, path: &Path) -> Result<ShareTarget, LibraryError> {
    for candidate in candidates(root, path) {
        let failed = |source| LibraryError::Io { path: candidate.clone(), source };
        let Some(location) = absolute(&candidate).map_err(failed)? else { continue };
        let kind = match fs::symlink_metadata(&location) {
            Ok(found) => found.file_type(),
            Err(error) if is_absence(&error) => continue,
            Err(error) => return Err(failed(error)),
        };
        let refused = |reason| LibraryError::CannotShare { path: path.to_owned(), reason };
        let entry_kind = match kind {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Folder,
            kind if kind.is_symlink() => return Err(refused(SkipReason::Link)),
            _ => return Err(refused(SkipReason::Special)),
        };
        return Ok(ShareTarget { location, kind: entry_kind });
    }
    Err(LibraryError::NotFound { path: path.to_owned() })
}

/// Collects the possible meanings of a path.
pub(super) fn path_candidates(root: &Path, path: &Path) -> PathCandidates {
    let as_text = path.to_str().map(|text| text.trim_end_matches('/'));
    let places = candidates(root, path).into_iter().map(|candidate| {
        let location = absolute(&candidate).ok().flatten();
        let location = location.unwrap_or_else(|| std::path::absolute(&candidate).unwrap_or(candidate));
        let exists = fs::symlink_metadata(&location).is_ok();
        (location, exists)
    });
    PathCandidates {
        text: path.to_owned(),
        share_path: as_text.and_then(|text| SharePath::parse(text).ok()),
        locations: places.collect(),
    }
}

/// Makes a path absolute without following a link in its last component; `None` if its parent folder does not exist.
pub(super) fn absolute(path: &Path) -> io::Result<Option<PathBuf>> {
    let found = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            parent.canonicalize().map(|parent| parent.join(name))
        }
        _ => path.canonicalize(),
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn candidates(root: &Path, path: &Path) -> Vec<PathBuf> {
    if path.is_absolute() {
        return vec![path.to_owned()];
    }
    let working_dir = std::env::current_dir().ok().map(|working_dir| working_dir.join(path));
    working_dir.into_iter().chain([root.join(path)]).collect()
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn relative_and_absolute_paths_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/x"), b"").unwrap();
        symlink(root.join("a"), root.join("link")).unwrap();
        let file = ShareTarget { location: root.join("a/x"), kind: EntryKind::File };
        for path in ["a/x", "./a/x", "a/../a/x", "link/x", root.join("a/x").to_str().unwrap()] {
            assert_eq!(find_target(&root, Path::new(path)).unwrap(), file, "{path}");
        }
        let place = find_target(&root, Path::new("a/")).unwrap();
        assert_eq!(place, ShareTarget { location: root.join("a"), kind: EntryKind::Folder });
        assert_eq!(find_target(&root, Path::new("/")).unwrap().location, Path::new("/"));
        assert_eq!(find_target(&root, &root.join("a/..")).unwrap().location, root);
    }

    #[test]
    fn links_devices_and_missing_paths_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        symlink("nowhere", root.join("link")).unwrap();
        let refused = |path: &str| find_target(root, Path::new(path)).unwrap_err();
        let link = refused("link");
        assert!(matches!(link, LibraryError::CannotShare { reason: SkipReason::Link, .. }));
        let device = refused("/dev/null");
        assert!(matches!(device, LibraryError::CannotShare { reason: SkipReason::Special, .. }));
        for nothing in ["none", "none/below", "link/below"] {
            assert!(matches!(refused(nothing), LibraryError::NotFound { .. }), "{nothing}");
        }
    }

    #[test]
    fn missing_path_is_still_a_candidate() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let target = path_candidates(&root, Path::new("movies/old/"));
        assert_eq!(target.share_path, SharePath::parse("movies/old").ok());
        assert_eq!(target.locations.last(), Some(&(root.join("movies/old"), false)));
        assert_eq!(path_candidates(&root, Path::new("../x")).share_path, None);
    }
}
