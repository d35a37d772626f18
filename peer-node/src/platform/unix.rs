//! The implementation for Linux. What is common to Unix systems is not told apart from the rest: another one needs its own work.

mod editor_terminal;
pub(super) mod errors;
pub(super) mod file_systems;
pub(super) mod files;
pub(super) mod folders;
pub(super) mod limits;
pub(super) mod names;
pub(super) mod processes;
pub(super) mod signals;
pub(super) mod sockets;
pub(super) mod space;
mod tcp_options;
pub(super) mod terminal;
