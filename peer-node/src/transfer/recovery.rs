//! Decides how a transfer recovers from an error. It fails only if waiting cannot help.
//!
//! Downloads and torrents share this rule. It performs no I/O; a session maps its error to a [`Recovery`] and carries it out.

use std::io;
use std::path::{Path, PathBuf};

use crate::platform::is_transient;
use crate::storage::{is_disk_full, without_path};

/// How a transfer recovers from an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// It fails: it was cancelled, its target cannot be used, or the disk returns errors.
    Fail,
    /// It waits until a source has what is missing.
    AwaitSources,
    /// It waits until the file system of this path has enough space.
    AwaitSpace(PathBuf),
    /// It retries after a delay: the system is temporarily short of a resource.
    Retry,
}

impl Recovery {
    /// Returns the recovery after failing to create, read or write a path.
    pub(crate) fn for_io_error(path: &Path, error: &io::Error) -> Self {
        if is_disk_full(error) {
            Self::AwaitSpace(path.to_owned())
        } else if is_transient(without_path(error)) {
            Self::Retry
        } else {
            Self::Fail
        }
    }

    /// Returns the recovery after failing to read or write a part file. If the part file was removed, for example with its
    /// folder, the download starts over.
    pub(crate) fn for_part_error(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Retry } else { Self::for_io_error(path, error) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::io::Errno;

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
        let missing = io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
        assert_eq!(Recovery::for_part_error(Path::new("/x"), &missing), Recovery::Retry);
        assert_eq!(Recovery::for_io_error(Path::new("/x"), &missing), Recovery::Fail);
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
