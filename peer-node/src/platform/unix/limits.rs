use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the maximum number of open files and connections; `None` without a limit.
pub(crate) fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit of open descriptors to the allowed maximum: every peer connection and every served file takes one.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // On failure the default limit stays, and connections wait until others have ended.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Returns a limit of inotify by its name, as in `max_user_watches`; `None` if it is unknown.
pub(crate) fn watch_limit(name: &str) -> Option<u64> {
    let limit = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
    limit.trim().parse().ok()
}
