//! Names of files: renaming, durability, and names that are not Unicode.

pub(crate) use super::system::names::{path_from_bytes, path_to_bytes, rename_no_replace, sync_folder};
