//! What an error of the system means beyond its [`std::io::ErrorKind`].

use std::io;

pub(crate) use super::system::errors::{
    is_out_of_resources, is_transient, is_unfollowed_link, is_watch_limit, is_without_reader,
};

/// Returns true if a path that should lead through folders leads through a link or something else.
pub(crate) fn is_not_a_folder(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotADirectory || is_unfollowed_link(error)
}
