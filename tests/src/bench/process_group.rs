//! A program with everything it starts: a process group that never outlives the value that stands for it.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::eventually::poll_within;

const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A running program; it and its children are killed when dropped.
#[derive(Debug)]
pub(super) struct ProcessGroup(Child);

impl ProcessGroup {
    /// Starts a program in a group of its own.
    pub(super) fn spawn(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.process_group(0).spawn().map(Self).with_context(|| format!("cannot start {name}"))
    }

    /// Gives the program's process id, which is the group's as well.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Gives the program itself, for its pipes.
    pub(super) const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // One that has ended needs no signal.
        let _ = pid.map(|pid| kill_process_group(pid, signal));
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // In order first: programs that are killed leave shared memory and children of other groups behind.
        self.signal(Signal::TERM);
        poll_within(STOP_TIMEOUT, || self.0.try_wait().ok().flatten());
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}
