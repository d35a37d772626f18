//! Open files: positional and direct I/O, holes, permissions.

pub(crate) use super::system::files::{
    FileAt, advise_sequential, data_ranges, exposed_mode, has_data, has_descriptor_path, is_executable,
    make_executable, modified_time, open_direct, open_nonblocking, prefetch, read_slices_at, reflink,
    with_mode, write_direct, write_slices_at,
};

/// Whether the path of a file may be a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPolicy {
    /// The link is followed.
    Follow,
    /// Opening fails.
    Refuse,
}
