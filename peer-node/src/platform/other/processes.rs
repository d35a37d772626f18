use std::io;

use tokio::process::{Child, Command};

use super::super::StopSignal;
use super::unsupported;

/// Starts a process that Ctrl-C at the console does not reach (`CREATE_NEW_PROCESS_GROUP`).
const NEW_PROCESS_GROUP: u32 = 0x0000_0200;

/// The id of a child process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessId;

impl ProcessId {
    /// Returns the id of a process that runs.
    pub(crate) fn of(child: &Child) -> Option<Self> {
        child.id().map(|_| Self)
    }

    /// Sends a signal to the process: not supported here.
    #[expect(clippy::unused_self, reason = "used on other systems")]
    pub(crate) fn send(self, _signal: StopSignal) -> io::Result<()> {
        Err(unsupported())
    }
}

/// Starts a command's process so that Ctrl-C at the console does not reach it.
pub(crate) fn detach_from_terminal(command: &mut Command) -> &mut Command {
    command.creation_flags(NEW_PROCESS_GROUP)
}
