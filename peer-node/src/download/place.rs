//! Where a download comes to lie, so that nothing is ever replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::share_path::{SharePath, safe_file_name};

use super::Target;
use super::part_record::PartRecord;
use crate::storage::remove_record;

/// How many names are tried.
const MAX_TRIES: u32 = 500;

/// The three names of a download: its own, and those it has until it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) target: PathBuf,
    pub(super) part: PathBuf,
    pub(super) record: PathBuf,
}

/// A place that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("{} is not a folder that can be written into: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("{} is a link; downloads are not written through links", folder.display())]
    Link { folder: PathBuf },
    #[error("no free name is left for {}", target.display())]
    NoFreeName { target: PathBuf },
}

/// Returns the path that is asked for, safe wherever the name came from the network.
pub(super) fn asked_for(root: &Path, target: &Target) -> PathBuf {
    match target {
        Target::InFolder(name) => root.join(safe_relative(name)),
        Target::At(path, name) => {
            let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || root.join(path).is_dir();
            let path = root.join(path);
            if is_folder { path.join(safe_file_name(name.rsplit('/').next().unwrap_or(name))) } else { path }
        }
    }
}

fn safe_relative(name: &str) -> PathBuf {
    match SharePath::parse(name) {
        Ok(path) => path.safe_components().collect(),
        Err(_) => safe_file_name(name).into(),
    }
}

/// Finds the first name from `target` on that nothing has, or that an earlier attempt at the same content has left.
pub(super) fn find(root: &Path, target: &Path, digest: &Digest) -> Result<Place, PlaceError> {
    make_folders(root, target)?;
    (0..MAX_TRIES)
        .map(|number| Place::of(&numbered(target, number)))
        .find(|place| place.is_usable(digest))
        .ok_or_else(|| PlaceError::NoFreeName { target: target.to_owned() })
}

/// Says whether an earlier attempt at the content has left a part.
pub(super) fn has_part(root: &Path, target: &Path, digest: &Digest) -> bool {
    find(root, target, digest).is_ok_and(|place| place.part.is_file())
}

/// Returns the places from `target` on, up to the first free one, that nothing has but a part without a usable record.
pub(super) fn orphans(target: &Path) -> impl Iterator<Item = Place> {
    let places = (0..MAX_TRIES).map(|number| Place::of(&numbered(target, number)));
    let taken = places.take_while(|place| !(is_free(&place.target) && is_free(&place.part)));
    taken.filter(|place| is_free(&place.target) && PartRecord::load(&place.record).is_none())
}

/// Removes the record of a content that has its name already: a kill came between the name and the end.
pub(super) fn tidy(location: &Path, digest: &Digest) {
    let Place { part, record, .. } = Place::of(location);
    if is_free(&part) && PartRecord::load(&record).is_some_and(|record| record.is_of(digest)) {
        remove_record(&record);
    }
}

fn is_free(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

impl Place {
    fn of(target: &Path) -> Self {
        let with = |suffix: &str| {
            let mut path = target.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        };
        Self { target: target.to_owned(), part: with(".part"), record: with(".part.json") }
    }

    fn is_usable(&self, digest: &Digest) -> bool {
        if !is_free(&self.target) {
            return false;
        }
        match PartRecord::load(&self.record) {
            Some(record) => record.is_of(digest),
            None => is_free(&self.part) && is_free(&self.record),
        }
    }
}

/// Returns the path with ` (number)` before its extension, or as it is for 0.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(" ({number})"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Makes the folders above `target`. Those below `root` must be real ones: a link could lead anywhere.
fn make_folders(root: &Path, target: &Path) -> Result<(), PlaceError> {
    let Some(folder) = target.parent() else { return Ok(()) };
    let failed = |source| PlaceError::Folder { folder: folder.to_owned(), source };
    for above in folder.ancestors().take_while(|above| *above != root && above.starts_with(root)) {
        if above.is_symlink() {
            return Err(PlaceError::Link { folder: above.to_owned() });
        }
    }
    fs::create_dir_all(folder).map_err(failed)
}

#[cfg(test)]
mod tests {
    use protocol::bitfield::Bitfield;
    use protocol::geometry::Geometry;

    use super::*;

    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    #[test]
    fn names_from_the_network_stay_in_the_folder() {
        let root = Path::new("/root");
        let place = |name: &str| asked_for(root, &Target::InFolder(name.into()));
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
    fn a_path_of_the_users_own_is_a_file_or_a_folder() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("films")).unwrap();
        let place = |path: &str| asked_for(root.path(), &Target::At(path.into(), "x/y.mkv".into()));
        assert_eq!(place("other.mkv"), root.path().join("other.mkv"));
        assert_eq!(place("films"), root.path().join("films/y.mkv"));
        assert_eq!(place("new/"), root.path().join("new/y.mkv"));
        assert_eq!(place("/tmp/z.mkv"), Path::new("/tmp/z.mkv"));
    }

    #[test]
    fn a_taken_name_is_never_used() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a.tar.gz");
        let find = || find(root.path(), &target, &DIGEST).unwrap();
        assert_eq!(find().target, target);
        fs::write(&target, "mine").unwrap();
        assert_eq!(find().target, root.path().join("a.tar (1).gz"));
        std::os::unix::fs::symlink("nowhere", root.path().join("a.tar (1).gz")).unwrap();
        assert_eq!(find().target, root.path().join("a.tar (2).gz"));
        fs::write(root.path().join("a.tar (2).gz.part"), "somebody else's").unwrap();
        assert_eq!(find().target, root.path().join("a.tar (3).gz"));
    }

    #[test]
    fn an_earlier_attempt_at_the_same_content_is_taken_up() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a.iso");
        let geometry = Geometry::native(1).unwrap();
        let place = find(root.path(), &target, &DIGEST).unwrap();
        PartRecord::new(DIGEST, 1, &Bitfield::empty(&geometry)).save(&place.record).unwrap();
        fs::write(&place.part, "x").unwrap();
        assert_eq!(find(root.path(), &target, &DIGEST).unwrap(), place);
        assert_ne!(find(root.path(), &target, &Digest::OF_NOTHING).unwrap(), place);
    }

    #[test]
    fn a_record_that_outlived_its_part_is_removed_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::of(&root.path().join("a.iso"));
        let record = PartRecord::new(DIGEST, 1, &Bitfield::empty(&Geometry::native(1).unwrap()));
        record.save(&place.record).unwrap();
        let hidden = root.path().join(".a.iso.part.json.new");
        fs::write(&hidden, "cut sh").unwrap();
        tidy(&place.target, &Digest::OF_NOTHING);
        assert!(place.record.exists());
        fs::write(&place.part, "x").unwrap();
        tidy(&place.target, &DIGEST);
        assert!(place.record.exists());
        fs::remove_file(&place.part).unwrap();
        tidy(&place.target, &DIGEST);
        assert!(!place.record.exists() && !hidden.exists());
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        let found = find(root.path(), &root.path().join("link/a/b"), &DIGEST);
        assert!(matches!(found, Err(PlaceError::Link { .. })));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
