//! What becomes of a transfer that cannot continue: it ends only for a reason that waiting cannot cure.
//!
//! The rule is written here once, for downloads and torrents alike. It does no IO; a session maps its own failure to an
//! [`Recovery`] and carries it out.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::storage::{errno, is_full};

/// How a transfer recovers from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// It does not, and ends: it was cancelled, its destination cannot be used, or the disk returns errors.
    None,
    /// It waits until somebody has what is missing.
    AwaitSources,
    /// It waits until the file system of this path has enough space.
    AwaitRoom(PathBuf),
    /// It tries again after a pause: the system is short of something that it frees again.
    TryAgain,
}

impl Recovery {
    /// Returns what becomes of a transfer that could not create, read or write a path.
    pub(crate) fn of_io(path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            Self::AwaitRoom(path.to_owned())
        } else if is_passing(error) {
            Self::TryAgain
        } else {
            Self::None
        }
    }

    /// Returns what becomes of a download whose part could not be read or written. A part that is gone, with the folder that held it
    /// for example, is begun again.
    pub(crate) fn of_part(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::TryAgain } else { Self::of_io(path, error) }
    }
}

/// Returns true if an error says that the system is short of descriptors, memory or time, and nothing about the path.
fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 6] =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR, Errno::NOBUFS];
    errno(error).is_some_and(|errno| PASSING.contains(&errno))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(errno: i32) -> Recovery {
        Recovery::of_io(Path::new("/x"), &io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn lack_of_space_and_of_descriptors_passes() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert_eq!(of(errno.raw_os_error()), Recovery::AwaitRoom("/x".into()));
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!(of(errno.raw_os_error()), Recovery::TryAgain);
        }
        assert_eq!(Recovery::of_io(Path::new("/x"), &io::ErrorKind::StorageFull.into()), of(28));
    }

    #[test]
    fn a_part_that_is_gone_is_begun_again() {
        let gone = io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
        assert_eq!(Recovery::of_part(Path::new("/x"), &gone), Recovery::TryAgain);
        assert_eq!(Recovery::of_io(Path::new("/x"), &gone), Recovery::None);
        let denied = io::ErrorKind::PermissionDenied.into();
        assert_eq!(Recovery::of_part(Path::new("/x"), &denied), Recovery::None);
    }

    #[test]
    fn what_waiting_cannot_cure_ends_a_transfer() {
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::NOTDIR, Errno::NAMETOOLONG, Errno::IO] {
            assert_eq!(of(errno.raw_os_error()), Recovery::None, "{errno}");
        }
        assert_eq!(Recovery::of_io(Path::new("/x"), &io::Error::other("a bug")), Recovery::None);
    }

    proptest! {
        #[test]
        fn no_disk_error_is_taken_for_a_lack_of_sources(errno in 1..200) {
            prop_assert_ne!(of(errno), Recovery::AwaitSources);
        }
    }
}
