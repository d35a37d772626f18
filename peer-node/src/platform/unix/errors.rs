use std::io;

use rustix::io::Errno;

/// Returns true if a link was not followed.
pub(crate) fn is_unfollowed_link(error: &io::Error) -> bool {
    is_any(error, &[Errno::LOOP])
}

/// Returns true if opening failed because the path is a socket, a pipe without a reader, or a device without a driver.
pub(crate) fn is_without_reader(error: &io::Error) -> bool {
    is_any(error, &[Errno::NXIO])
}

/// Returns true if the system or this process is out of descriptors or memory.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    is_any(error, &[Errno::MFILE, Errno::NFILE, Errno::NOMEM])
}

/// Returns true if the error means a shortage of descriptors, memory or time, and is not specific to the file.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    is_out_of_resources(error) || is_any(error, &[Errno::AGAIN, Errno::INTR, Errno::NOBUFS])
}

/// Returns true if the limit of watched folders, or of programs that watch folders, is reached.
pub(crate) fn is_watch_limit(error: &io::Error) -> bool {
    is_any(error, &[Errno::NOSPC, Errno::MFILE])
}

/// Returns true if the file system does not support locks.
pub(in crate::platform) fn is_without_locks(error: &io::Error) -> bool {
    is_any(error, &[Errno::NOTSUP, Errno::NOSYS, Errno::NOLCK])
}

fn is_any(error: &io::Error, codes: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|code| codes.contains(&code))
}
