//! A program at one of whose calls a fault comes.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use rustix::process::Signal;
use tempfile::NamedTempFile;

use super::call::Call;
use super::fault::{Fault, Target};
use super::launcher::injected;
use crate::eventually::{SOON, within};
use crate::lines::Lines;
use crate::peer::{Answer, MARK, MARK_LINES};
use crate::process::Process;

/// A fault and the call at which it comes.
pub type Plan = (Fault, Target);

/// A program that may end at any time.
#[derive(Debug)]
pub(super) struct Victim {
    process: Process,
    input: Option<ChildStdin>,
    output: Lines,
    log: NamedTempFile,
}

/// What was seen of a program that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its status; none if it was killed.
    pub(super) code: Option<i32>,
    /// Everything that it printed.
    pub(super) printed: Vec<String>,
    /// The calls that were watched.
    pub(super) calls: Vec<Call>,
    /// Returns true if the fault has come.
    pub(super) was_injected: bool,
}

impl Victim {
    /// Starts a program whose calls below a folder are watched.
    pub(super) fn start(command: &Command, below: &Path, plan: Option<&Plan>) -> Self {
        let log = NamedTempFile::new().expect("a file");
        let mut options: Vec<OsString> =
            ["--below".into(), below.into(), "--log".into(), log.path().into()].into();
        if let Some((fault, target)) = plan {
            let call = format!("{}\t{}", target.call.name, target.call.path);
            options.extend(["--fault".into(), fault.to_string().into(), "--call".into(), call.into()]);
            options.extend(["--before".into(), target.before.to_string().into()]);
        }
        let mut command = injected(command, &options);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        let mut process = Process::spawn("a program with a fault", command);
        let input = Some(process.take_stdin());
        Self { process, input, output: Lines::of(reader), log }
    }

    /// Waits for a line that begins with some words, and returns the rest; nothing if the program ends before.
    pub(super) fn says(&self, words: &str) -> Option<String> {
        let line = self.output.find(0, SOON, |line| line.starts_with(words))?;
        Some(self.output.since(line).first()?.trim_start_matches(words).to_owned())
    }

    /// Sends a node a command and returns what it printed, or `None` if the node ends first.
    pub(super) fn ask(&mut self, command: &str) -> Option<Answer> {
        let from = self.output.count();
        let input = self.input.as_mut()?;
        writeln!(input, "{command}\n{MARK}").and_then(|()| input.flush()).ok()?;
        let [.., last] = MARK_LINES;
        let Some(end) = self.output.find(from, SOON, |line| line == last) else {
            let text = self.output.text();
            assert!(self.output.ended(SOON), "{command:?} has not ended:\n{text}");
            return None;
        };
        let mut lines = self.output.since(from);
        lines.truncate((end + 1 - from).saturating_sub(MARK_LINES.len()));
        Some(Answer(lines))
    }

    /// Repeats a command until `is_it` accepts the answer, or returns `None` if the node ends first or the time is up.
    pub(super) fn ask_until(&mut self, command: &str, is_it: impl Fn(&Answer) -> bool) -> Option<Answer> {
        within(SOON, || match self.ask(command) {
            None => Some(None),
            answer => answer.is_some_and(|answer| is_it(&answer)).then_some(Some(())),
        })
        .flatten()?;
        self.ask(command)
    }

    /// Sends SIGTERM.
    pub(super) fn terminate(&mut self) {
        if self.process.is_running() {
            self.process.signal(Signal::TERM);
        }
    }

    /// Closes the program's standard input and waits until it has ended.
    pub(super) fn end(mut self) -> Ended {
        self.input = None;
        let code = self.process.wait(SOON).code();
        assert!(self.output.ended(SOON), "a program that has ended says more");
        let log = fs::read_to_string(self.log.path()).unwrap_or_default();
        let calls = log.lines().filter_map(Call::parse).collect();
        let was_injected = log.lines().any(|line| line == "injected");
        Ended { code, printed: self.output.since(0), calls, was_injected }
    }
}
