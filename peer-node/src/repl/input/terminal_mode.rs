use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::process::getpgrp;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcsetattr,
};

/// The terminal at which a person sits, and how it treated its keys before the prompt came.
#[derive(Debug)]
pub(super) struct InteractiveTerminal {
    fd: OwnedFd,
    original: Termios,
}

impl InteractiveTerminal {
    /// Takes the terminal on stdin, whatever stdin becomes later.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        let original = tcgetattr(&fd)?;
        Ok(Self { fd, original })
    }

    /// Returns the modes in which every key arrives as it is pressed, and none means anything to the terminal.
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

    /// Has every key arrive as it is pressed; returns false if the terminal belongs to another program at the moment.
    pub(super) fn set_raw(&self) -> bool {
        self.set(&self.raw_modes())
    }

    /// Has the terminal treat its keys as it did at first.
    pub(super) fn set_original(&self) -> bool {
        self.set(&self.original)
    }

    /// Returns the key with which a person stops the program for a while.
    pub(super) fn suspend_key(&self) -> u8 {
        self.original.special_codes[SpecialCodeIndex::VSUSP]
    }

    /// Gives the terminal back while the line editor still waits for a key.
    pub(super) fn release(&self) {
        if self.set_original() {
            // Bracketed paste off, and the cursor off the prompt's line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        }
    }

    /// Sets the modes; returns false if the terminal belongs to another program at the moment. It is left alone then:
    /// touching it from the background would stop the process.
    fn set(&self, modes: &Termios) -> bool {
        let is_ours = tcgetpgrp(&self.fd).map_or(true, |foreground| foreground == getpgrp());
        if is_ours {
            // It fails if the terminal is gone, which whoever reads it notices.
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

/// Keeps what is typed off the screen while something is drawn there, as long as it lives. The keys are not lost.
pub(crate) struct EchoGuard(Arc<InteractiveTerminal>);

impl EchoGuard {
    /// Makes the keys of a terminal quiet.
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
