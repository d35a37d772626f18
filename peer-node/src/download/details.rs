//! What is kept of a source's file besides its bytes.

use std::time::SystemTime;

/// What is kept of one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    /// When its bytes were last changed.
    pub modified: Option<SystemTime>,
    /// Whether it is executable.
    pub executable: bool,
}
