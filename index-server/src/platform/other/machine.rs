use std::io;
use std::path::Path;

use super::unsupported;

/// Returns the size of the file system that contains a path: not supported here.
pub(in crate::platform) fn file_system_size(_path: &Path) -> io::Result<u64> {
    Err(unsupported())
}

/// Returns the maximum number of open files and connections, which has no limit of its own here.
pub(crate) const fn raise_descriptor_limit() -> usize {
    usize::MAX
}
