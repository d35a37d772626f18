use std::io::{self, Write};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// How a terminal treats its keys, to give it back so.
pub(super) struct TerminalMode(Termios);

impl TerminalMode {
    /// Remembers how the terminal on stdin is now.
    pub(super) fn now() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }

    /// Takes the line editor's hold from the terminal.
    pub(super) fn restore(&self) {
        if set(&self.0) {
            // Bracketed paste off, and the cursor off the prompt's line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        }
    }
}

/// Keeps what is typed off the screen while something is drawn there, as long as it lives. The keys are not lost.
pub(crate) struct QuietKeys(Termios);

impl QuietKeys {
    /// Makes the keys of the terminal on stdin quiet; nothing if there is none.
    pub(crate) fn new() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        set(&quiet).then_some(Self(before))
    }
}

impl Drop for QuietKeys {
    fn drop(&mut self) {
        set(&self.0);
    }
}

/// Says whether it could be done. A terminal that belongs to somebody else at the moment is left alone: touching it from
/// the background would stop the process.
fn set(mode: &Termios) -> bool {
    let is_ours = tcgetpgrp(io::stdin()).map_or(true, |foreground| foreground == getpgrp());
    is_ours && tcsetattr(io::stdin(), OptionalActions::Now, mode).is_ok()
}
