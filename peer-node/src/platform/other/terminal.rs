use std::convert::Infallible;
use std::io;
use std::time::Duration;

use super::super::{Awaited, OutputStream};
use super::unsupported;

/// The terminal of the prompt. Nothing opens it here.
#[derive(Debug)]
pub(crate) struct InteractiveTerminal(Infallible);

/// The terminal that the line editor reads. Nothing opens it here.
#[derive(Debug)]
pub(crate) struct EditorTerminal(Infallible);

impl InteractiveTerminal {
    /// Opens the terminal on stdin: not supported here.
    pub(crate) fn from_stdin() -> io::Result<Self> {
        Err(unsupported())
    }

    /// Sets the raw modes.
    pub(crate) const fn set_raw(&self) -> bool {
        match self.0 {}
    }

    /// Restores the original modes.
    pub(crate) const fn set_original(&self) -> bool {
        match self.0 {}
    }

    /// Disables the echo of typed keys.
    pub(crate) const fn set_quiet(&self) -> bool {
        match self.0 {}
    }

    /// Returns the key that suspends the program.
    pub(crate) const fn suspend_key(&self) -> u8 {
        match self.0 {}
    }

    /// Reads keys.
    pub(crate) const fn read(&self, _space: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl EditorTerminal {
    /// Replaces stdin by a terminal for the line editor: not supported here.
    pub(crate) fn replace_stdin(_terminal: &InteractiveTerminal) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Writes keys for the line editor.
    pub(crate) const fn write(&self, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

/// Waits for any of several events: not supported here.
pub(crate) fn wait_for<const N: usize>(
    _awaited: [Awaited<'_>; N],
    _limit: Option<Duration>,
) -> io::Result<[bool; N]> {
    Err(unsupported())
}

/// Discards the bytes on stdin that were not read yet, of which there are none here.
pub(crate) const fn discard_unread_input() {}

/// Returns the number of bytes on stdin that were not read yet: not supported here.
pub(crate) fn unread_input() -> io::Result<u64> {
    Err(unsupported())
}

/// Returns the columns and rows of the terminal behind a stream, which are unknown here.
pub(crate) const fn terminal_size(_stream: OutputStream) -> Option<(u16, u16)> {
    None
}
