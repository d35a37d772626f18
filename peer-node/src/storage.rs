//! What downloads of both dialects ask of the disk: writes past the page cache, names that replace nothing, records that are
//! there whole or not at all.
//!
//! Nothing here knows what is written, or where it belongs. Everything waits for the disk and belongs on a blocking thread.

mod allocation;
mod at_path;
mod direct;
mod folder;
mod locking;
mod naming;
mod naming_rules;
mod record;
mod regular;
mod writing;

use std::io;

pub(crate) use allocation::{allocate, take_room};
pub(crate) use at_path::{at_path, errno};
pub(crate) use direct::DirectFile;
pub(crate) use folder::{Folder, Found, Open, descriptor, is_plain};
pub(crate) use locking::{lock, unlock};
pub(crate) use naming::{remove_if_there, remove_leftover, rename_new};
pub(crate) use naming_rules::NamingRules;
pub(crate) use record::{
    load_record, pieces_from_digits, pieces_to_digits, remove_record, save_record, sync_record,
};
pub(crate) use regular::{Links, append_to_regular_file, open_regular_file, read_regular_file};
pub(crate) use writing::write_parts_at;

/// From this size on, in bytes, files are written past the page cache.
pub(crate) const DIRECT_FROM: u64 = 16 << 20;

/// Says whether a write failed because the disk, or this user's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
