//! A program and all its children, in a process group that ends when its owner is dropped.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::eventually::poll_within;

const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A running program; it and its children are killed when this is dropped.
#[derive(Debug)]
pub(super) struct ProcessGroup(Child);

impl ProcessGroup {
    /// Starts a program in its own process group.
    pub(super) fn spawn(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.process_group(0).spawn().map(Self).with_context(|| format!("cannot start {name}"))
    }

    /// Returns the program's process id, which is also the group's id.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns the program, for access to its pipes.
    pub(super) const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // A program that has exited needs no signal.
        let _ = pid.map(|pid| kill_process_group(pid, signal));
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SIGTERM first: programs that are killed leave shared memory and children in other groups behind.
        self.signal(Signal::TERM);
        poll_within(STOP_TIMEOUT, || self.0.try_wait().ok().flatten());
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}
