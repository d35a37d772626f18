//! Signals to child processes.

pub(crate) use super::system::processes::{ProcessId, detach_from_terminal};
