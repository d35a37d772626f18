//! A program with a fault in one of its calls.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use rustix::process::Signal;
use tempfile::NamedTempFile;

use super::call::WatchedCall;
use super::fault::{InjectedFault, TargetCall};
use super::launcher::command_with_inject;
use crate::eventually::{DEFAULT_TIMEOUT, poll_within};
use crate::output_lines::OutputLines;
use crate::peer::{CommandOutput, END_MARKER, END_MARKER_LINES};
use crate::process::Process;

/// A fault and its call.
pub type FaultPlan = (InjectedFault, TargetCall);

/// A program that may end at any time.
#[derive(Debug)]
pub(super) struct TracedProgram {
    process: Process,
    input: Option<ChildStdin>,
    output: OutputLines,
    log: NamedTempFile,
}

/// The record of a program that has ended.
#[derive(Debug)]
pub(super) struct TracedExit {
    /// The exit status; `None` if the program was killed.
    pub(super) code: Option<i32>,
    /// The complete output.
    pub(super) printed: Vec<String>,
    /// The watched calls.
    pub(super) calls: Vec<WatchedCall>,
    /// True if the fault was injected.
    pub(super) was_injected: bool,
}

impl TracedProgram {
    /// Starts a program and watches its calls below a folder.
    pub(super) fn start(command: &Command, below: &Path, plan: Option<&FaultPlan>) -> Self {
        let log = NamedTempFile::new().expect("a file");
        let mut options: Vec<OsString> =
            ["--below".into(), below.into(), "--log".into(), log.path().into()].into();
        if let Some((fault, target)) = plan {
            let call = format!("{}\t{}", target.call.name, target.call.path);
            options.extend(["--fault".into(), fault.to_string().into(), "--call".into(), call.into()]);
            options.extend(["--before".into(), target.before.to_string().into()]);
        }
        let mut command = command_with_inject(command, &options);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        let mut process = Process::spawn("a program with a fault", command);
        let input = Some(process.take_stdin());
        Self { process, input, output: OutputLines::collect(reader), log }
    }

    /// Waits for a line that begins with `words` and returns the rest. Returns `None` if the program ends first.
    pub(super) fn wait_for_line(&self, words: &str) -> Option<String> {
        let line = self.output.find(0, DEFAULT_TIMEOUT, |line| line.starts_with(words))?;
        Some(self.output.lines_from(line).first()?.trim_start_matches(words).to_owned())
    }

    /// Sends a command to a node and returns its output, or `None` if the node ends first.
    pub(super) fn run(&mut self, command: &str) -> Option<CommandOutput> {
        let from = self.output.line_count();
        let input = self.input.as_mut()?;
        writeln!(input, "{command}\n{END_MARKER}").and_then(|()| input.flush()).ok()?;
        let [.., last] = END_MARKER_LINES;
        let Some(end) = self.output.find(from, DEFAULT_TIMEOUT, |line| line == last) else {
            let text = self.output.text();
            assert!(self.output.wait_for_end(DEFAULT_TIMEOUT), "{command:?} has not ended:\n{text}");
            return None;
        };
        let mut lines = self.output.lines_from(from);
        lines.truncate((end + 1 - from).saturating_sub(END_MARKER_LINES.len()));
        Some(CommandOutput(lines))
    }

    /// Repeats a command until its output is accepted. Returns `None` if the node ends first or the time limit passes.
    pub(super) fn run_until(
        &mut self,
        command: &str,
        is_match: impl Fn(&CommandOutput) -> bool,
    ) -> Option<CommandOutput> {
        poll_within(DEFAULT_TIMEOUT, || match self.run(command) {
            None => Some(None),
            answer => answer.is_some_and(|answer| is_match(&answer)).then_some(Some(())),
        })
        .flatten()?;
        self.run(command)
    }

    /// Sends SIGTERM.
    pub(super) fn terminate(&mut self) {
        if self.process.is_running() {
            self.process.signal(Signal::TERM);
        }
    }

    /// Closes the program's standard input and waits until the program has ended.
    pub(super) fn close_and_wait(mut self) -> TracedExit {
        self.input = None;
        let code = self.process.wait(DEFAULT_TIMEOUT).code();
        assert!(
            self.output.wait_for_end(DEFAULT_TIMEOUT),
            "the output is still open after the program has ended"
        );
        let log = fs::read_to_string(self.log.path()).unwrap_or_default();
        let calls = log.lines().filter_map(WatchedCall::parse).collect();
        let was_injected = log.lines().any(|line| line == "injected");
        TracedExit { code, printed: self.output.lines_from(0), calls, was_injected }
    }
}
