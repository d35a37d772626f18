use std::fmt::Debug;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::{DEFAULT_TIMEOUT, poll_within};
use crate::output_lines::OutputLines;
use crate::process::Process;

/// How long a client may take for a few megabytes: some look at their peers every ten seconds only.
pub const COMPLETION_TIMEOUT: Duration = Duration::from_secs(100);

/// A client that takes part in a torrent; it ends when dropped.
#[derive(Debug)]
pub struct ClientProcess {
    name: String,
    process: Process,
    output: OutputLines,
    completion: Box<dyn CompletionCheck>,
    // What the program keeps for itself goes last.
    _private_folder: TempDir,
}

/// How to see that a client has everything.
pub trait CompletionCheck: Debug {
    /// Looks.
    fn is_complete(&self, output: &OutputLines) -> bool;

    /// Looks for more that a message could tell.
    fn diagnostics(&self) -> String {
        String::new()
    }
}

/// A line of its output tells.
#[derive(Debug)]
pub struct CompletionLine(pub fn(&str) -> bool);

impl CompletionCheck for CompletionLine {
    fn is_complete(&self, output: &OutputLines) -> bool {
        output.lines_from(0).iter().any(|line| self.0(line))
    }
}

impl ClientProcess {
    /// Starts a program with a folder for what it keeps for itself.
    pub fn start(name: &str, mut command: Command, own: TempDir, watch: Box<dyn CompletionCheck>) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::null()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        // Whatever it writes without being asked stays in its own folder.
        command.env("HOME", own.path());
        let process = Process::spawn(name, command);
        Self {
            name: name.into(),
            process,
            output: OutputLines::collect(reader),
            completion: watch,
            _private_folder: own,
        }
    }

    /// Gives its process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Gives what it prints.
    pub const fn output(&self) -> &OutputLines {
        &self.output
    }

    /// Says whether it has everything.
    pub fn is_complete(&self) -> bool {
        self.completion.is_complete(&self.output)
    }

    /// Waits until it has everything; panics with all that it printed if that takes too long, or it ends before.
    pub fn wait_until_complete(&mut self) {
        let is_running = poll_within(COMPLETION_TIMEOUT, || {
            let is_running = self.process.is_running();
            (!is_running || self.is_complete()).then_some(is_running)
        });
        if is_running == Some(false) {
            // What it said at its end is still on its way.
            self.output.wait_for_end(DEFAULT_TIMEOUT);
        }
        if !self.is_complete() {
            let (name, said, more) = (&self.name, self.output.text(), self.completion.diagnostics());
            let fate = if is_running.is_some() { "ended too soon" } else { "takes too long" };
            panic!("{name} {fate}:\n{said}\n{more}");
        }
    }
}
