use std::io;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::super::StopSignal;

/// The id of a child process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessId(Pid);

impl ProcessId {
    /// Returns the id of a process that runs.
    pub(crate) fn of(child: &Child) -> Option<Self> {
        child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).map(Self)
    }

    /// Sends a signal to the process.
    pub(crate) fn send(self, signal: StopSignal) -> io::Result<()> {
        let signal = match signal {
            StopSignal::Interrupt => Signal::INT,
            StopSignal::Terminate => Signal::TERM,
        };
        Ok(kill_process(self.0, signal)?)
    }
}

/// Starts a command's process in a process group of its own, which Ctrl-C at the terminal does not reach.
pub(crate) fn detach_from_terminal(command: &mut Command) -> &mut Command {
    command.process_group(0)
}
