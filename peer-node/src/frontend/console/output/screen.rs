use std::env;

use crate::platform::{OutputStream, terminal_size};

/// The columns and rows of a terminal that does not report its size.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// The stream that is a terminal on which lines can be redrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The stream for results.
    Stdout,
    /// The stream for errors.
    Stderr,
    /// Neither.
    None,
}

impl Screen {
    /// Returns the current number of columns and rows.
    pub(crate) fn size(self) -> (usize, usize) {
        let size = match self {
            Self::Stdout => terminal_size(OutputStream::Stdout),
            Self::Stderr => terminal_size(OutputStream::Stderr),
            Self::None => return DEFAULT_SIZE,
        };
        let or_default = |size: u16, variable: &str, default: usize| match usize::from(size) {
            0 => env::var(variable)
                .ok()
                .and_then(|text| text.parse().ok())
                .filter(|size| *size > 0)
                .unwrap_or(default),
            size => size,
        };
        let (columns, rows) = size.unwrap_or((0, 0));
        (or_default(columns, "COLUMNS", DEFAULT_SIZE.0), or_default(rows, "LINES", DEFAULT_SIZE.1))
    }
}
