//! Finds out which places of this machine a user means. Looks at the file system: for blocking threads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::error::LibraryError;
use super::free_name::NameOf;
use super::report::SkipReason;

/// A file or folder that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Absolute; no folder on the way to it is a link.
    pub(super) location: PathBuf,
    pub(super) of: NameOf,
}

/// What a user may mean by a path that need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// As the user wrote it.
    pub(super) text: PathBuf,
    /// As a name on the network.
    pub(super) path: Option<SharePath>,
    /// As a path of this machine, with whether something lies there; the likelier one first.
    pub(super) places: Vec<(PathBuf, bool)>,
}

/// Finds a file or folder that a user names relative to the working directory or to the share folder.
pub(super) fn find(root: &Path, path: &Path) -> Result<Place, LibraryError> {
    for candidate in candidates(root, path) {
        let failed = |source| LibraryError::Io { path: candidate.clone(), source };
        let Some(location) = absolute(&candidate).map_err(failed)? else { continue };
        let kind = match fs::symlink_metadata(&location) {
            Ok(found) => found.file_type(),
            Err(error) if is_absence(&error) => continue,
            Err(error) => return Err(failed(error)),
        };
        let refused = |reason| LibraryError::CannotShare { path: path.to_owned(), reason };
        let of = match kind {
            kind if kind.is_file() => NameOf::File,
            kind if kind.is_dir() => NameOf::Folder,
            kind if kind.is_symlink() => return Err(refused(SkipReason::Link)),
            _ => return Err(refused(SkipReason::Special)),
        };
        return Ok(Place { location, of });
    }
    Err(LibraryError::NotFound { path: path.to_owned() })
}

/// Collects what a user may mean by a path.
pub(super) fn guess(root: &Path, path: &Path) -> Asked {
    let as_text = path.to_str().map(|text| text.trim_end_matches('/'));
    let places = candidates(root, path).into_iter().map(|candidate| {
        let location = absolute(&candidate).ok().flatten();
        let location = location.unwrap_or_else(|| std::path::absolute(&candidate).unwrap_or(candidate));
        let is_there = fs::symlink_metadata(&location).is_ok();
        (location, is_there)
    });
    Asked {
        text: path.to_owned(),
        path: as_text.and_then(|text| SharePath::parse(text).ok()),
        places: places.collect(),
    }
}

/// Makes a path absolute without following a link in its last component; `None` if the folder around is not there.
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
    let here = std::env::current_dir().ok().map(|here| here.join(path));
    here.into_iter().chain([root.join(path)]).collect()
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_found_relative_to_the_share_folder_and_absolute() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/x"), b"").unwrap();
        symlink(root.join("a"), root.join("link")).unwrap();
        let file = Place { location: root.join("a/x"), of: NameOf::File };
        for path in ["a/x", "./a/x", "a/../a/x", "link/x", root.join("a/x").to_str().unwrap()] {
            assert_eq!(find(&root, Path::new(path)).unwrap(), file, "{path}");
        }
        let place = find(&root, Path::new("a/")).unwrap();
        assert_eq!(place, Place { location: root.join("a"), of: NameOf::Folder });
        assert_eq!(find(&root, Path::new("/")).unwrap().location, Path::new("/"));
        assert_eq!(find(&root, &root.join("a/..")).unwrap().location, root);
    }

    #[test]
    fn links_pipes_and_nothing_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        symlink("nowhere", root.join("link")).unwrap();
        let refused = |path: &str| find(root, Path::new(path)).unwrap_err();
        let link = refused("link");
        assert!(matches!(link, LibraryError::CannotShare { reason: SkipReason::Link, .. }));
        let device = refused("/dev/null");
        assert!(matches!(device, LibraryError::CannotShare { reason: SkipReason::Special, .. }));
        for nothing in ["none", "none/below", "link/below"] {
            assert!(matches!(refused(nothing), LibraryError::NotFound { .. }), "{nothing}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_may_still_be_meant() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let asked = guess(&root, Path::new("movies/old/"));
        assert_eq!(asked.path, SharePath::parse("movies/old").ok());
        assert_eq!(asked.places.last(), Some(&(root.join("movies/old"), false)));
        assert_eq!(guess(&root, Path::new("../x")).path, None);
    }
}
