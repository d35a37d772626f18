//! What becomes of a transfer that cannot continue: it ends only for a reason that waiting cannot cure.
//!
//! The rule is written here once, for downloads and torrents alike. It does no IO; a session maps its own failure to an
//! [`Recovery`] and carries it out.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::storage::{errno, is_disk_full};

/// How a transfer recovers from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// It does not, and ends: it was cancelled, its destination cannot be used, or the disk returns errors.
    Fail,
    /// It waits until somebody has what is missing.
    AwaitSources,
    /// It waits until the file system of this path has enough space.
    AwaitSpace(PathBuf),
    /// It tries again after a pause: the system is short of something that it frees again.
    Retry,
}

impl Recovery {
    /// Returns what becomes of a transfer that could not create, read or write a path.
    pub(crate) fn for_io_error(path: &Path, error: &io::Error) -> Self {
        if is_disk_full(error) {
            Self::AwaitSpace(path.to_owned())
        } else if is_transient(error) {
            Self::Retry
        } else {
            Self::Fail
        }
    }

    /// Returns what becomes of a download whose part could not be read or written. A part that is gone, with the folder that held it
    /// for example, is begun again.
    pub(crate) fn for_part_error(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Retry } else { Self::for_io_error(path, error) }
    }
}

/// Returns true if an error says that the system is short of descriptors, memory or time, and nothing about the path.
fn is_transient(error: &io::Error) -> bool {
    const TRANSIENT: [Errno; 6] =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR, Errno::NOBUFS];
    errno(error).is_some_and(|errno| TRANSIENT.contains(&errno))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recovery_for(errno: i32) -> Recovery {
        Recovery::for_io_error(Path::new("/x"), &io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn lack_of_space_or_descriptors_is_transient() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert_eq!(recovery_for(errno.raw_os_error()), Recovery::AwaitSpace("/x".into()));
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!(recovery_for(errno.raw_os_error()), Recovery::Retry);
        }
        assert_eq!(
            Recovery::for_io_error(Path::new("/x"), &io::ErrorKind::StorageFull.into()),
            recovery_for(28)
        );
    }

    #[test]
    fn missing_part_is_started_again() {
        let gone = io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
        assert_eq!(Recovery::for_part_error(Path::new("/x"), &gone), Recovery::Retry);
        assert_eq!(Recovery::for_io_error(Path::new("/x"), &gone), Recovery::Fail);
        let denied = io::ErrorKind::PermissionDenied.into();
        assert_eq!(Recovery::for_part_error(Path::new("/x"), &denied), Recovery::Fail);
    }

    #[test]
    fn permanent_errors_end_a_transfer() {
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::NOTDIR, Errno::NAMETOOLONG, Errno::IO] {
            assert_eq!(recovery_for(errno.raw_os_error()), Recovery::Fail, "{errno}");
        }
        assert_eq!(Recovery::for_io_error(Path::new("/x"), &io::Error::other("a bug")), Recovery::Fail);
    }

    proptest! {
        #[test]
        fn no_disk_error_is_taken_for_a_lack_of_sources(errno in 1..200) {
            prop_assert_ne!(recovery_for(errno), Recovery::AwaitSources);
        }
    }
}
