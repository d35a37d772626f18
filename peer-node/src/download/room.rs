use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::part_file::PartFileError;
use super::part_folders::BESIDE;
use super::place::PlaceError;
use super::recovery::Recovery;
use crate::state_dir::STATE_DIR_NAME;
use crate::transfers::Room;

/// The unit in which a file's blocks are counted, whatever those of the file system are.
const BLOCK: u64 = 512;

/// What a download needs at least to go on: its record and a few names.
const LEAST: u64 = 64 << 10;

impl PartFileError {
    /// Returns how a download recovers whose part file cannot be used.
    pub(super) fn recovery(&self) -> Recovery {
        match self {
            Self::Place(PlaceError::Folder { folder: path, source }) | Self::NoRoom { path, source, .. } => {
                Recovery::of_io(path, source)
            }
            Self::Io { path, source } => Recovery::of_part(path, source),
            Self::Place(PlaceError::Link { .. } | PlaceError::NoFreeName { .. }) => Recovery::None,
        }
    }
}

/// Looks how much room a file of `size` bytes at `path` still needs, and how much there is. Asks the system and so belongs
/// on a blocking thread.
pub(super) fn measure(path: &Path, size: u64) -> io::Result<Room> {
    let taken = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file);
    let taken = taken.map_or(0, |metadata| metadata.blocks().saturating_mul(BLOCK));
    let folder = path.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
    let free = free_room(folder)?;
    let folder = visible(folder);
    Ok(Room { folder: folder.to_owned(), needed: size.saturating_sub(taken).max(LEAST), free })
}

/// Returns the folder that a person knows: the first one that is not below a hidden one of ours.
fn visible(folder: &Path) -> &Path {
    let is_ours =
        |above: &&Path| above.file_name().is_some_and(|name| name == STATE_DIR_NAME || name == BESIDE);
    folder.ancestors().find(is_ours).and_then(Path::parent).unwrap_or(folder)
}

/// Says how many bytes there is room for in a folder.
pub(crate) fn free_room(folder: &Path) -> io::Result<u64> {
    let system = rustix::fs::statvfs(folder)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

impl Room {
    /// Says whether there is as much as is needed.
    pub(crate) const fn is_enough(&self) -> bool {
        self.free >= self.needed
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_is_taken_already_is_not_needed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        let before = measure(&path, 1 << 20).unwrap();
        assert_eq!((before.folder.as_path(), before.needed), (folder.path(), 1 << 20));
        fs::write(&path, vec![7; 1 << 19]).unwrap();
        assert!(measure(&path, 1 << 20).unwrap().needed <= 1 << 19);
        assert_eq!(measure(&folder.path().join("not/made/yet.part"), 1).unwrap().folder, folder.path());
    }

    #[test]
    fn hidden_folders_are_not_named() {
        for (path, shown) in [
            ("/s/.peerdex/partial", "/s"),
            ("/s/.peerdex", "/s"),
            ("/d/.peerdex-partial", "/d"),
            ("/d/e", "/d/e"),
        ] {
            assert_eq!(visible(Path::new(path)), Path::new(shown));
        }
    }

    #[test]
    fn a_full_disk_is_told_from_other_trouble() {
        let error = |errno: Errno| PartFileError::Io { path: "/x".into(), source: errno.into() };
        let recovery = |errno| error(errno).recovery();
        let full = Recovery::AwaitRoom("/x".into());
        assert_eq!([Errno::NOSPC, Errno::DQUOT].map(recovery), [full.clone(), full]);
        assert_eq!([Errno::IO, Errno::FBIG].map(recovery), [Recovery::None, Recovery::None]);
        let link = PartFileError::Place(PlaceError::Link { folder: "/x".into() });
        assert_eq!(link.recovery(), Recovery::None);
    }
}
