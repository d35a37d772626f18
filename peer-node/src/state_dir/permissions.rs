use std::os::fd::OwnedFd;

use rustix::fs::Mode;
use rustix::io::Errno;

/// Closes a folder to other users. Returns its mode if they can still use it: the file system stores no permissions, or the folder is
/// somebody else's.
pub(super) fn restrict_to_owner(folder: &OwnedFd) -> Result<Option<u32>, Errno> {
    let closed = rustix::fs::fchmod(folder, Mode::RWXU);
    let mode = rustix::fs::fstat(folder)?.st_mode & 0o777;
    let exposure = (mode & 0o077 != 0).then_some(mode);
    if exposure.is_some() {
        let reason =
            closed.err().map_or("the file system stores no permissions".into(), |error| error.to_string());
        tracing::warn!(mode = format_args!("{mode:03o}"), reason, "state folder is open to other users");
    }
    Ok(exposure)
}
