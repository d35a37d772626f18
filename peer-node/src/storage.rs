//! Disk access for downloads of both dialects: direct writes past the page cache, renames that never replace a file, and
//! records that are written atomically.
//!
//! Nothing here knows what is written or where it belongs. All functions may wait for the disk and belong on a blocking thread.

mod allocation;
mod direct;
mod file_identity;
mod folder;
mod locking;
mod naming_rules;
mod numbered;
mod path_error;
mod record;
mod regular_file;
mod renaming;
mod replace;
mod writing;

use std::io;

pub(crate) use allocation::{allocate, reserve_space};
pub(crate) use direct::{ALIGNMENT, DirectFile};
pub(crate) use file_identity::FileIdentity;
pub(crate) use file_identity::open_regular;
pub(crate) use folder::{Folder, OpenMode, PathKind, descriptor_path, is_strictly_below};
pub(crate) use locking::{lock, unlock};
pub(crate) use naming_rules::NamingRules;
pub(crate) use numbered::numbered;
pub(crate) use path_error::{at_path, errno};
pub(crate) use record::{
    load_record, pieces_from_digits, pieces_to_digits, remove_record, save_record, sync_record,
};
pub(crate) use regular_file::{LinkPolicy, append_to_regular_file, open_regular_file, read_regular_file};
pub(crate) use renaming::{remove_if_exists, remove_leftover, rename_no_replace};
pub(crate) use replace::replace_file;
pub(crate) use writing::write_parts_at;

/// Minimum size in bytes of files that are written past the page cache.
pub(crate) const MIN_DIRECT_SIZE: u64 = 16 << 20;

const _: () =
    assert!(MIN_DIRECT_SIZE.is_multiple_of(ALIGNMENT as u64), "a file of this size has aligned pieces");

/// Returns true if a write failed because the disk, or the user's quota, is full.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
