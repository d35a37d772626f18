use std::io;
use std::path::Path;

use super::location::LocationError;
use super::part_file::PartFileError;
use super::part_folders::HIDDEN_FOLDER_NAME;
use crate::platform::{allocated_bytes, free_space};
use crate::state_dir::STATE_DIR_NAME;
use crate::transfer::recovery::Recovery;
use crate::view::DiskSpace;

/// Minimum space that a download needs to continue: its record and a few directory entries.
const MIN_SPACE: u64 = 64 << 10;

impl PartFileError {
    /// Returns how the download recovers from this error.
    pub(super) fn recovery(&self) -> Recovery {
        match self {
            Self::Location(LocationError::Folder { folder: path, source })
            | Self::NoSpace { path, source, .. } => Recovery::for_io_error(path, source),
            Self::Io { path, source } => Recovery::for_part_error(path, source),
            Self::Location(LocationError::Link { .. } | LocationError::NoFreeName { .. }) => Recovery::Fail,
        }
    }
}

/// Measures how much more space a file of `size` bytes at `path` needs and how much is free. Queries the file system, so it
/// belongs on a blocking thread.
pub(super) fn measure(path: &Path, size: u64) -> io::Result<DiskSpace> {
    let taken = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file);
    let taken = taken.as_ref().map_or(0, allocated_bytes);
    let folder = path.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
    let free = free_space(folder)?;
    let folder = visible_parent(folder);
    Ok(DiskSpace { folder: folder.to_owned(), needed: size.saturating_sub(taken).max(MIN_SPACE), free })
}

/// Returns the folder to show to users: the parent of the first hidden folder of ours on the path.
fn visible_parent(folder: &Path) -> &Path {
    let is_ours = |above: &&Path| {
        above.file_name().is_some_and(|name| name == STATE_DIR_NAME || name == HIDDEN_FOLDER_NAME)
    };
    folder.ancestors().find(is_ours).and_then(Path::parent).unwrap_or(folder)
}

impl DiskSpace {
    /// Returns true if enough space is free.
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
    fn allocated_bytes_are_not_needed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        let before = measure(&path, 1 << 20).unwrap();
        assert_eq!((before.folder.as_path(), before.needed), (folder.path(), 1 << 20));
        fs::write(&path, vec![7; 1 << 19]).unwrap();
        assert!(measure(&path, 1 << 20).unwrap().needed <= 1 << 19);
        assert_eq!(measure(&folder.path().join("not/made/yet.part"), 1).unwrap().folder, folder.path());
    }

    #[test]
    fn hidden_folders_are_not_reported() {
        for (path, shown) in [
            ("/s/.peerdex/partial", "/s"),
            ("/s/.peerdex", "/s"),
            ("/d/.peerdex-partial", "/d"),
            ("/d/e", "/d/e"),
        ] {
            assert_eq!(visible_parent(Path::new(path)), Path::new(shown));
        }
    }

    #[test]
    fn full_disk_is_distinguished_from_other_errors() {
        let error = |errno: Errno| PartFileError::Io { path: "/x".into(), source: errno.into() };
        let recovery = |errno| error(errno).recovery();
        let full = Recovery::AwaitSpace("/x".into());
        assert_eq!([Errno::NOSPC, Errno::DQUOT].map(recovery), [full.clone(), full]);
        assert_eq!([Errno::IO, Errno::FBIG].map(recovery), [Recovery::Fail, Recovery::Fail]);
        let link = PartFileError::Location(LocationError::Link { folder: "/x".into() });
        assert_eq!(link.recovery(), Recovery::Fail);
    }
}
