//! The implementation for Unix, tested on Linux.

pub(super) mod files;
pub(super) mod folders;
pub(super) mod machine;
pub(super) mod signals;
pub(super) mod threads;
