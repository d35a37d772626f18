use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::process::getpgrp;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcsetattr,
};

/// The terminal of the prompt, and its original modes.
#[derive(Debug)]
pub(super) struct InteractiveTerminal {
    fd: OwnedFd,
    original: Termios,
}

impl InteractiveTerminal {
    /// Opens the terminal on stdin, and keeps it when stdin is replaced later.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        let original = tcgetattr(&fd)?;
        Ok(Self { fd, original })
    }

    /// Returns the raw modes: every key arrives at once and has no effect on the terminal.
    pub(super) fn raw_modes(&self) -> Termios {
        let mut raw = self.original.clone();
        let translations = InputModes::BRKINT
            | InputModes::ICRNL
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::INPCK
            | InputModes::ISTRIP
            | InputModes::IXON;
        raw.input_modes.remove(translations);
        raw.control_modes.insert(ControlModes::CS8);
        raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        raw
    }

    /// Sets the raw modes; returns false if the terminal currently belongs to another process group.
    pub(super) fn set_raw(&self) -> bool {
        self.set(&self.raw_modes())
    }

    /// Restores the original modes; returns false if the terminal currently belongs to another process group.
    pub(super) fn set_original(&self) -> bool {
        self.set(&self.original)
    }

    /// Returns the key that suspends the program, usually Ctrl-Z.
    pub(super) fn suspend_key(&self) -> u8 {
        self.original.special_codes[SpecialCodeIndex::VSUSP]
    }

    /// Restores the terminal while the line editor still waits for a key.
    pub(super) fn release(&self) {
        if self.set_original() {
            // Disable bracketed paste, and move to a new line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        }
    }

    /// Sets the modes; returns false if the terminal currently belongs to another process group. The modes are not set then: a
    /// change from the background would stop the process (SIGTTOU).
    fn set(&self, modes: &Termios) -> bool {
        let is_ours = tcgetpgrp(&self.fd).map_or(true, |foreground| foreground == getpgrp());
        if is_ours {
            // Fails only if the terminal is closed, which the next read reports.
            let _ = tcsetattr(&self.fd, OptionalActions::Now, modes);
        }
        is_ours
    }
}

impl AsFd for InteractiveTerminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Suppresses the echo of typed keys until dropped, while output is drawn. The keys are not lost.
pub(crate) struct EchoGuard(Arc<InteractiveTerminal>);

impl EchoGuard {
    /// Disables the echo; `None` if the terminal belongs to another process group.
    pub(super) fn new(terminal: Arc<InteractiveTerminal>) -> Option<Self> {
        let mut quiet = terminal.original.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        terminal.set(&quiet).then_some(Self(terminal))
    }
}

impl Drop for EchoGuard {
    fn drop(&mut self) {
        self.0.set_original();
    }
}
