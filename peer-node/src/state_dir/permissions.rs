use std::io;

use crate::platform::Folder;

/// Restricts a folder to its owner. Returns the folder's mode if other users can still access it because the file system stores
/// no permissions or another user owns the folder.
pub(super) fn restrict_to_owner(folder: &Folder) -> io::Result<Option<u32>> {
    let closed = folder.restrict_to_owner();
    let exposure = folder.exposed_mode()?;
    if let Some(mode) = exposure {
        let reason =
            closed.err().map_or("the file system stores no permissions".into(), |error| error.to_string());
        tracing::warn!(mode = format_args!("{mode:03o}"), reason, "state folder is open to other users");
    }
    Ok(exposure)
}
