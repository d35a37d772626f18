//! Determines where a download is saved. Existing files are never replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::DownloadTarget;
use crate::platform::is_not_a_folder;
use crate::storage::{self, FileIdentity, Folder, NamingRules, is_strictly_below, numbered};

/// Maximum number of names tried for one file.
const MAX_NAME_TRIES: u32 = 500;

/// Maximum attempts to open a folder past a link, in case someone is swapping the link with the folder.
const MAX_LINK_TRIES: u32 = 20;

/// Why a location cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocationError {
    #[error("{} is not a folder that can be written into: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("{} is a link; downloads are not written through links", folder.display())]
    Link { folder: PathBuf },
    #[error("no free name is left for {}", target.display())]
    NoFreeName { target: PathBuf },
}

/// Returns the requested path. Names from the network are sanitized.
pub(super) fn requested_path(root: &Path, target: &DownloadTarget) -> PathBuf {
    match target {
        DownloadTarget::InFolder(name) => storable_path(root, name),
        DownloadTarget::AtPath(path, name) => {
            let is_folder = is_folder(root, path);
            let path = root.join(path);
            if !is_folder {
                return path;
            }
            path.join(NamingRules::for_path(&path).storable_name(name.rsplit('/').next().unwrap_or(name)))
        }
    }
}

fn is_folder(root: &Path, path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/") || root.join(path).is_dir()
}

/// Returns the path for a share path, with each component adapted to the file system that will hold it.
fn storable_path(root: &Path, name: &str) -> PathBuf {
    let under = |folder: PathBuf, name: &str| {
        let name = NamingRules::for_path(&folder).storable_name(name);
        folder.join(name)
    };
    match SharePath::parse(name) {
        Ok(path) => path.components().fold(root.to_owned(), under),
        Err(_) => under(root.to_owned(), name),
    }
}

/// Returns the requested name if the file system cannot store it and another one is used.
pub(super) fn replaced_name(root: &Path, target: &DownloadTarget) -> Option<String> {
    let name = match target {
        DownloadTarget::InFolder(name) => name,
        DownloadTarget::AtPath(path, name) if is_folder(root, path) => {
            name.rsplit('/').next().unwrap_or(name)
        }
        DownloadTarget::AtPath(..) => return None,
    };
    let kept = match target {
        DownloadTarget::InFolder(_) => storable_path(root, name),
        DownloadTarget::AtPath(path, _) => {
            root.join(NamingRules::for_path(&root.join(path)).storable_name(name))
        }
    };
    (kept != root.join(name)).then(|| name.to_owned())
}

/// Returns `path` followed by its numbered names, `MAX_NAME_TRIES` in total.
pub(super) fn numbered_names(path: &Path) -> impl Iterator<Item = PathBuf> {
    (0..MAX_NAME_TRIES).map(|number| numbered(path, number))
}

/// Returns true if nothing exists at a path. That includes a path below something that is not a folder; creating the
/// folders reports that error later.
pub(super) fn is_free(path: &Path) -> bool {
    let is_nothing =
        |kind: io::ErrorKind| matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    fs::symlink_metadata(path).is_err_and(|error| is_nothing(error.kind()))
}

/// Returns the folder and the error if the path cannot be checked.
pub(super) fn obstacle(path: &Path) -> Option<(PathBuf, io::Error)> {
    let error = fs::symlink_metadata(path).err().filter(|_| !is_free(path))?;
    Some((path.parent().unwrap_or(path).to_owned(), error))
}

/// Opens the folder of `target`, creating it and its parents. Below `root`, all of them must be real folders, since a link
/// could lead anywhere. Operations through the open folder stay in it, even if the folder is renamed.
pub(super) fn create_folder(root: &Path, target: &Path) -> Result<Folder, LocationError> {
    let folder = target.parent().unwrap_or(root);
    let open = || match relative_to(root, folder) {
        Some(below) => fs::create_dir_all(root).and_then(|()| Folder::open(root)?.create_child(below)),
        // A path given by the user.
        None => fs::create_dir_all(folder).and_then(|()| Folder::open(folder)),
    };
    let opened = (1..MAX_LINK_TRIES).find_map(|_| match open() {
        Err(error) if is_not_a_folder(&error) => None,
        opened => Some(opened),
    });
    opened.unwrap_or_else(open).map_err(|source| {
        let mut above = folder.ancestors().take_while(|above| *above != root && above.starts_with(root));
        match above.find(|above| above.is_symlink()) {
            Some(link) => LocationError::Link { folder: link.to_owned() },
            None => LocationError::Folder { folder: folder.to_owned(), source },
        }
    })
}

/// Opens a regular file for reading. Returns `None` for other file types and for paths below `root` that contain a link.
pub(super) fn open_regular(root: &Path, path: &Path) -> io::Result<Option<(File, FileIdentity)>> {
    match relative_to(root, path) {
        Some(below) => Folder::open(root)?.open_regular(below),
        None => storage::open_regular(path),
    }
}

/// Returns the relative path from `root` to `path`, if `path` is written as lying below it.
fn relative_to<'a>(root: &Path, path: &'a Path) -> Option<&'a Path> {
    path.strip_prefix(root).ok().filter(|below| is_strictly_below(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_network_stay_in_the_folder() {
        let root = Path::new("/root");
        let place = |name: &str| requested_path(root, &DownloadTarget::InFolder(name.into()));
        assert_eq!(place("a/b.iso"), Path::new("/root/a/b.iso"));
        for evil in [
            "../../etc/passwd",
            "/etc/passwd",
            "..",
            "",
            ".peerdex/identity.key",
            "a\\..\\b",
            "~/.ssh/id",
            "a/../../b",
        ] {
            let path = place(evil);
            assert!(path.starts_with(root) && path != root, "{evil:?}: {path:?}");
            assert!(
                path.components().all(|part| part.as_os_str() != ".." && part.as_os_str() != ".peerdex"),
                "{path:?}"
            );
        }
    }

    #[test]
    fn unreadable_path_is_not_a_taken_name() {
        let root = tempfile::tempdir().unwrap();
        assert!(obstacle(&root.path().join("free")).is_none());
        fs::write(root.path().join("taken"), "").unwrap();
        assert!(obstacle(&root.path().join("taken")).is_none());
        let (folder, _) = obstacle(&root.path().join("x".repeat(300))).unwrap();
        assert_eq!(folder, root.path());
    }

    #[test]
    fn path_from_the_user_is_a_file_or_a_folder() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("films")).unwrap();
        let place =
            |path: &str| requested_path(root.path(), &DownloadTarget::AtPath(path.into(), "x/y.mkv".into()));
        assert_eq!(place("other.mkv"), root.path().join("other.mkv"));
        assert_eq!(place("films"), root.path().join("films/y.mkv"));
        assert_eq!(place("new/"), root.path().join("new/y.mkv"));
        assert_eq!(place("/tmp/z.mkv"), Path::new("/tmp/z.mkv"));
    }

    #[test]
    fn replaced_names_are_reported() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("films")).unwrap();
        let replaced = |target| replaced_name(root.path(), &target);
        assert_eq!(replaced(DownloadTarget::InFolder("a/b.iso".into())), None);
        assert_eq!(replaced(DownloadTarget::InFolder("Season 1. /K: b".into())), None);
        assert_eq!(replaced(DownloadTarget::InFolder("a\u{202e}/b".into())), Some("a\u{202e}/b".into()));
        assert_eq!(
            replaced(DownloadTarget::AtPath("films".into(), "x/.b.iso".into())),
            Some(".b.iso".into())
        );
        assert_eq!(replaced(DownloadTarget::AtPath(".mine".into(), ".b.iso".into())), None);
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        let made = create_folder(root.path(), &root.path().join("link/a/b"));
        assert!(matches!(made, Err(LocationError::Link { .. })));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        fs::write(outside.path().join("x"), "theirs").unwrap();
        assert!(open_regular(root.path(), &root.path().join("link/x")).unwrap().is_none());
        assert!(open_regular(root.path(), &outside.path().join("x")).unwrap().is_some());
        // A path given by the user may lead anywhere.
        create_folder(&root.path().join("below"), &root.path().join("below/../beside/x")).unwrap();
        assert!(root.path().join("beside").is_dir());
    }
}
