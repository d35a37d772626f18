//! Modes of the terminal, and the pseudo-terminal of the line editor.

use std::io::PipeReader;
use std::sync::Arc;

pub(crate) use super::system::terminal::{
    EditorTerminal, InteractiveTerminal, discard_unread_input, terminal_size, unread_input, wait_for,
};

/// An output stream of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Stdout,
    Stderr,
}

/// What a thread waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Awaited<'a> {
    /// Keys at the terminal.
    Keys(&'a InteractiveTerminal),
    /// Space for more keys in the line editor's terminal.
    Space(&'a EditorTerminal),
    /// A message in a pipe, or its end.
    Message(&'a PipeReader),
}

/// Suppresses the echo of typed keys until dropped, while output is drawn. The keys are not lost.
pub(crate) struct EchoGuard(Arc<InteractiveTerminal>);

impl EchoGuard {
    /// Disables the echo; `None` if the terminal belongs to another process group.
    pub(crate) fn new(terminal: Arc<InteractiveTerminal>) -> Option<Self> {
        terminal.set_quiet().then_some(Self(terminal))
    }
}

impl Drop for EchoGuard {
    fn drop(&mut self) {
        self.0.set_original();
    }
}
