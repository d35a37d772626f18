use std::fmt::Debug;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::{DEFAULT_TIMEOUT, poll_within};
use crate::output_lines::OutputLines;
use crate::process::Process;

/// Time limit of a transfer of a few megabytes: some clients check their peers only every ten seconds.
pub const COMPLETION_TIMEOUT: Duration = Duration::from_secs(100);

/// A client in a swarm; it ends when it is dropped.
#[derive(Debug)]
pub struct ClientProcess {
    name: String,
    process: Process,
    output: OutputLines,
    completion: Box<dyn CompletionCheck>,
    // Dropped last: the program's own folder.
    _private_folder: TempDir,
}

/// A check whether a client has completed its download.
pub trait CompletionCheck: Debug {
    /// Returns true if the download is complete.
    fn is_complete(&self, output: &OutputLines) -> bool;

    /// Returns further details for error messages.
    fn diagnostics(&self) -> String {
        String::new()
    }
}

/// Completion is reported by a line of the output.
#[derive(Debug)]
pub struct CompletionLine(pub fn(&str) -> bool);

impl CompletionCheck for CompletionLine {
    fn is_complete(&self, output: &OutputLines) -> bool {
        output.lines_from(0).iter().any(|line| self.0(line))
    }
}

impl ClientProcess {
    /// Starts a program with a folder for its own files.
    pub fn start(name: &str, mut command: Command, own: TempDir, watch: Box<dyn CompletionCheck>) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::null()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        // Files that it writes unasked stay in its own folder.
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

    /// Returns the process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Returns the output.
    pub const fn output(&self) -> &OutputLines {
        &self.output
    }

    /// Returns true if the download is complete.
    pub fn is_complete(&self) -> bool {
        self.completion.is_complete(&self.output)
    }

    /// Waits until the download is complete. Panics with the output if that takes too long or the program ends first.
    pub fn wait_until_complete(&mut self) {
        let is_running = poll_within(COMPLETION_TIMEOUT, || {
            let is_running = self.process.is_running();
            (!is_running || self.is_complete()).then_some(is_running)
        });
        if is_running == Some(false) {
            // Its last output may still be in the pipe.
            self.output.wait_for_end(DEFAULT_TIMEOUT);
        }
        if !self.is_complete() {
            let (name, output, details) = (&self.name, self.output.text(), self.completion.diagnostics());
            let fate = if is_running.is_some() { "ended too soon" } else { "timed out" };
            panic!("{name} {fate}:\n{output}\n{details}");
        }
    }
}
