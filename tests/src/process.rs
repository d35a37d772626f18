//! A child process that is killed when its owner is dropped.

use std::io;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::cpu_time;
use crate::eventually::poll_within;
use crate::free_port::block_port_checks;

/// Environment variable for the folder in which programs keep state of the user account.
const STATE_HOME_VARIABLE: &str = "XDG_STATE_HOME";

/// A path that cannot be a folder, so that tests leave no state in the user account.
const UNUSABLE_STATE_HOME: &str = "/dev/null/none";

/// Returns a command that runs `setup` in a shell and then becomes the program. The shell is the argument of `around`, for
/// example `unshare --mount`; if that is empty, it is started directly.
pub fn command_after(setup: &str, program: &Command, around: &[&str]) -> Command {
    let mut words = around.iter().copied().chain(["sh", "-c"]);
    let mut command = Command::new(words.next().expect("at least the shell"));
    command.args(words).arg(format!("{setup} && exec \"$0\" \"$@\""));
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A running program; killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program; `name` appears in messages.
    pub fn spawn(name: &str, command: Command) -> Self {
        Self::try_spawn(name, command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
    }

    /// Starts a program, or returns the error.
    pub fn try_spawn(name: &str, mut command: Command) -> io::Result<Self> {
        if !command.get_envs().any(|(variable, _)| variable == STATE_HOME_VARIABLE) {
            command.env(STATE_HOME_VARIABLE, UNUSABLE_STATE_HOME);
        }
        let child = {
            let _guard = block_port_checks();
            command.spawn()?
        };
        // The command is dropped here, and with it our copies of the far ends of the pipes.
        drop(command);
        Ok(Self { name: name.into(), child })
    }

    /// Returns the process, for access to its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Takes the write end of the process's standard input.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a piped standard input")
    }

    /// Sends a signal to a process that has not been waited for.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Returns the CPU time that the process has used.
    pub fn processor_time(&self) -> Duration {
        cpu_time::of_trees(&[self.child.id()]).expect("a process")
    }

    /// Returns true if the process is running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the process to exit; panics if it takes longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let status = poll_within(limit, || self.child.try_wait().expect("a child process"));
        status.unwrap_or_else(|| panic!("{} has not ended after {limit:?}", self.name))
    }

    /// Kills the process as `kill -9` does.
    pub fn kill(&mut self) {
        // A process that has already exited needs no signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
