use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr,
};

use super::super::{Awaited, OutputStream};
pub(crate) use super::editor_terminal::{EditorTerminal, discard_unread_input, unread_input};

/// The terminal of the prompt, and its original modes.
#[derive(Debug)]
pub(crate) struct InteractiveTerminal {
    fd: OwnedFd,
    original: Termios,
}

impl InteractiveTerminal {
    /// Opens the terminal on stdin, and keeps it when stdin is replaced later.
    pub(crate) fn from_stdin() -> io::Result<Self> {
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
    pub(crate) fn set_raw(&self) -> bool {
        self.set(&self.raw_modes())
    }

    /// Restores the original modes; returns false if the terminal currently belongs to another process group.
    pub(crate) fn set_original(&self) -> bool {
        self.set(&self.original)
    }

    /// Returns the key that suspends the program, usually Ctrl-Z.
    pub(crate) fn suspend_key(&self) -> u8 {
        self.original.special_codes[SpecialCodeIndex::VSUSP]
    }

    /// Disables the echo of typed keys; returns false if the terminal currently belongs to another process group.
    pub(crate) fn set_quiet(&self) -> bool {
        let mut quiet = self.original.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        self.set(&quiet)
    }

    /// Reads keys; returns the number of bytes read, 0 at the end.
    pub(crate) fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.fd, space)?)
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

/// Waits for any of several events, at most for `limit`. Returns which of them have occurred: none after the limit, and none if a
/// signal interrupted the wait.
pub(crate) fn wait_for<const N: usize>(
    awaited: [Awaited<'_>; N],
    limit: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut fds = awaited.map(|awaited| match awaited {
        Awaited::Keys(terminal) => PollFd::from_borrowed_fd(terminal.fd.as_fd(), PollFlags::IN),
        Awaited::Space(editor) => PollFd::from_borrowed_fd(editor.controller.as_fd(), PollFlags::OUT),
        Awaited::Message(pipe) => PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN),
    });
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) => Ok(fds.map(|fd| !fd.revents().is_empty())),
        Err(Errno::INTR) => Ok([false; N]),
        Err(error) => Err(error.into()),
    }
}

/// Returns the columns and rows of the terminal behind a stream, 0 if unknown; `None` if it is no terminal.
pub(crate) fn terminal_size(stream: OutputStream) -> Option<(u16, u16)> {
    let size = match stream {
        OutputStream::Stdout => tcgetwinsize(io::stdout()),
        OutputStream::Stderr => tcgetwinsize(io::stderr()),
    };
    size.ok().map(|size| (size.ws_col, size.ws_row))
}
