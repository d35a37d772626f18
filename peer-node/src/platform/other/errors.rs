use std::io;

/// Returns true if a link was not followed. Here, opening a link opens the link itself.
pub(crate) const fn is_unfollowed_link(_error: &io::Error) -> bool {
    false
}

/// Returns true if opening failed because of what the path is. Pipes and sockets have no paths among files here.
pub(crate) const fn is_without_reader(_error: &io::Error) -> bool {
    false
}

/// Returns true if the system or this process is out of handles or memory.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    /// `ERROR_TOO_MANY_OPEN_FILES`.
    const TOO_MANY_OPEN_FILES: i32 = 4;
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error() == Some(TOO_MANY_OPEN_FILES)
}

/// Returns true if the error means a shortage of handles, memory or time, and is not specific to the file.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    let is_temporary = matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock);
    is_out_of_resources(error) || is_temporary && error.raw_os_error().is_some()
}

/// Returns true if the limit of watched folders is reached. There is none here.
pub(crate) const fn is_watch_limit(_error: &io::Error) -> bool {
    false
}

/// Returns true if the file system does not support locks.
pub(in crate::platform) fn is_without_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}
