use std::os::fd::OwnedFd;

use rustix::fs::Mode;
use rustix::io::Errno;

/// Restricts a folder to its owner. Returns the folder's mode if other users can still access it because the file system stores
/// no permissions or another user owns the folder.
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
