use std::env;
use std::io;

use rustix::termios::tcgetwinsize;

/// Columns and rows where the terminal does not say.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// Which of our streams is a terminal on which lines can be drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The one for results.
    Stdout,
    /// The one for errors.
    Stderr,
    /// Neither.
    None,
}

impl Screen {
    /// Returns how many columns and rows there are at the moment.
    pub(crate) fn size(self) -> (usize, usize) {
        let size = match self {
            Self::Stdout => tcgetwinsize(io::stdout()),
            Self::Stderr => tcgetwinsize(io::stderr()),
            Self::None => return DEFAULT_SIZE,
        };
        let known = |size: u16, variable: &str, usual: usize| match usize::from(size) {
            0 => env::var(variable)
                .ok()
                .and_then(|text| text.parse().ok())
                .filter(|size| *size > 0)
                .unwrap_or(usual),
            size => size,
        };
        let (columns, rows) = size.map_or((0, 0), |size| (size.ws_col, size.ws_row));
        (known(columns, "COLUMNS", DEFAULT_SIZE.0), known(rows, "LINES", DEFAULT_SIZE.1))
    }
}
