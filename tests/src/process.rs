//! A process that never outlives the value that stands for it.

use std::io;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::cpu_time;
use crate::eventually::poll_within;
use crate::free_port::block_port_checks;

/// The variable that names where programs keep what they remember for the account.
const STATE_HOME_VARIABLE: &str = "XDG_STATE_HOME";

/// A folder that cannot be: tests leave nothing in the account's state.
const UNUSABLE_STATE_HOME: &str = "/dev/null/none";

/// A running program; killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program under a name for messages.
    pub fn spawn(name: &str, command: Command) -> Self {
        Self::try_spawn(name, command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
    }

    /// Starts a program, if it can be started.
    pub fn try_spawn(name: &str, mut command: Command) -> io::Result<Self> {
        if !command.get_envs().any(|(variable, _)| variable == STATE_HOME_VARIABLE) {
            command.env(STATE_HOME_VARIABLE, UNUSABLE_STATE_HOME);
        }
        let child = {
            let _alone = block_port_checks();
            command.spawn()?
        };
        // The command goes here, and with it our copies of the pipes' far ends.
        drop(command);
        Ok(Self { name: name.into(), child })
    }

    /// Gives the process itself, for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Takes the pipe to the process's standard input.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a piped standard input")
    }

    /// Sends a signal to a process that has not been waited for.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Returns how much processor time the process has used.
    pub fn processor_time(&self) -> Duration {
        cpu_time::of_trees(&[self.child.id()]).expect("a process")
    }

    /// Says whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end; panics if it takes longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let status = poll_within(limit, || self.child.try_wait().expect("a child of ours"));
        status.unwrap_or_else(|| panic!("{} has not ended after {limit:?}", self.name))
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        // One that has ended already is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
