//! Folders that only their owner can use.

pub(crate) use super::system::folders::{
    create_private_folder, exposed_mode, is_private, make_private, sync_folder,
};
