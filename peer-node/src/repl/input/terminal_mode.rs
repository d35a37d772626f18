use std::io::{self, Write};

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// How a terminal treats its keys, to give it back so.
pub(super) struct TerminalMode(Termios);

impl TerminalMode {
    /// Remembers how the terminal on stdin is now.
    pub(super) fn now() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }

    /// Takes the line editor's hold from the terminal. One that belongs to somebody else at the moment is left alone:
    /// touching it from the background would stop the process.
    pub(super) fn restore(&self) {
        if tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == getpgrp()) {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
            // Bracketed paste off, and the cursor off the prompt's line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        }
    }
}
