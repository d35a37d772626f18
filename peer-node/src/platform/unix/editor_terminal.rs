use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::ioctl_fionread;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcsetattr};

use super::terminal::InteractiveTerminal;

/// The controlling side of a pseudo-terminal that the line editor reads. Dropping it closes the editor's side, too.
#[derive(Debug)]
pub(crate) struct EditorTerminal {
    pub(super) controller: OwnedFd,
}

impl EditorTerminal {
    /// Replaces stdin by a pseudo-terminal with the raw modes of the terminal.
    pub(crate) fn replace_stdin(terminal: &InteractiveTerminal) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = openpt(flags)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let stdin = ioctl_tiocgptpeer(&controller, flags)?;
        // The modes that the line editor restores after each line are raw too, so that nothing is echoed between lines.
        tcsetattr(&stdin, OptionalActions::Now, &terminal.raw_modes())?;
        let flags = fcntl_getfl(&controller)?;
        fcntl_setfl(&controller, flags | OFlags::NONBLOCK)?;
        rustix::stdio::dup2_stdin(&stdin)?;
        Ok(Self { controller })
    }

    /// Writes keys for the line editor; returns the number of bytes written. Fails with `WouldBlock` if there is no space.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.controller, bytes)?)
    }
}

/// Discards the bytes on stdin that were not read yet.
pub(crate) fn discard_unread_input() {
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// Returns the number of bytes on stdin that were not read yet.
pub(crate) fn unread_input() -> io::Result<u64> {
    Ok(ioctl_fionread(io::stdin())?)
}
