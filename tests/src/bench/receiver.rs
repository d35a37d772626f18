//! The receiving program of one run and its cost.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::cpu_time;
use super::interrupt;
use super::measured_program::{self, ProgramUsage};
use super::process_group::ProcessGroup;
use crate::output_lines::OutputLines;

const EXIT_TIMEOUT: Duration = Duration::from_secs(10);
const SHOWN_LINES: usize = 12;

/// Line that a program prints when its interpreter has loaded and only the transfer remains.
const READY_LINE: &str = "ready";

/// The command that receives the original into its working directory.
#[derive(Debug)]
pub(super) struct ReceiverCommand {
    /// The program and its arguments.
    pub(super) command: Vec<OsString>,
    /// The program's input.
    pub(super) input: ReceiverInput,
    /// The completion line and how often the program prints it. Without it, the transfer ends when the program exits.
    pub(super) done_line: Option<(&'static str, usize)>,
    /// The file or folder that appears in the working directory.
    pub(super) result: PathBuf,
}

/// What a receiver reads from its standard input.
#[derive(Debug)]
pub(super) enum ReceiverInput {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// A line, sent once the program has reported that it is ready; earlier resource usage does not count.
    LineWhenReady,
}

/// The cost of a transfer to its receiver.
#[derive(Debug)]
pub(super) struct TransferCost {
    /// Duration from the start to the end.
    pub(super) wall: Duration,
    /// User and system time until the program ended.
    pub(super) cpu: Duration,
    /// Peak memory in bytes.
    pub(super) memory: u64,
    /// The last completion line.
    pub(super) done_line: Option<String>,
}

impl ReceiverCommand {
    /// Creates a receiver from a command line; it is done when the command exits.
    pub(super) fn new(words: &[&str], result: impl Into<PathBuf>) -> Self {
        let command = words.iter().map(OsString::from).collect();
        Self { command, input: ReceiverInput::Nothing, done_line: None, result: result.into() }
    }

    /// Runs the receiver in a folder after a pause of `rest`, and measures it.
    pub(super) fn measure(&self, folder: &Path, limit: Duration, rest: Duration) -> Result<TransferCost> {
        if !self.waits_until_ready() {
            interrupt::pause(rest)?;
        }
        let mut running = RunningReceiver::start(self, folder)?;
        let received = running.run_to_end(self, limit, rest);
        received.with_context(|| {
            let lines = running.output.lines_from(running.output.line_count().saturating_sub(SHOWN_LINES));
            format!("it printed:\n    {}", lines.join("\n    "))
        })
    }
}

struct RunningReceiver {
    group: ProcessGroup,
    output: OutputLines,
    start: Instant,
    /// CPU time used before the transfer began.
    cpu_before_start: Duration,
}

impl RunningReceiver {
    fn start(receiver: &ReceiverCommand, folder: &Path) -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        let mut command = measured_program::measuring_command(&receiver.command)?;
        let input =
            if matches!(receiver.input, ReceiverInput::Nothing) { Stdio::null() } else { Stdio::piped() };
        command.current_dir(folder).stdin(input).stderr(writer.try_clone()?).stdout(writer);
        let start = Instant::now();
        let group = ProcessGroup::spawn(command)?;
        Ok(Self { group, output: OutputLines::collect(reader), start, cpu_before_start: Duration::ZERO })
    }

    fn run_to_end(
        &mut self,
        receiver: &ReceiverCommand,
        limit: Duration,
        rest: Duration,
    ) -> Result<TransferCost> {
        let mut input = self.group.child().stdin.take();
        if let (ReceiverInput::Text(text), Some(mut input)) =
            (&receiver.input, input.take_if(|_| !receiver.waits_until_ready()))
        {
            input.write_all(text.as_bytes())?;
        }
        if let Some(input) = &mut input {
            self.wait_for_line(0, limit, |line| line == READY_LINE)?
                .context("the program did not become ready")?;
            interrupt::pause(rest)?;
            self.cpu_before_start = cpu_time::of_trees(&[self.group.id()])?;
            self.start = Instant::now();
            input.write_all(b"go\n")?;
        }
        let (text, times) = receiver.done_line.unwrap_or(("\0", 1));
        let (mut next, mut done_line) = (0, None);
        for _ in 0..times {
            let is_match = |line: &str| line.contains(text) || measured_program::parse_usage(line).is_some();
            let found =
                self.wait_for_line(next, limit, is_match)?.context("the program did not complete in time")?;
            next = found.0 + 1;
            done_line = Some(found.1);
        }
        let wall = self.start.elapsed();
        let done_line = done_line.filter(|line| line.contains(text));
        let usage = self.wait_for_exit(receiver.done_line.is_some(), done_line.is_some())?;
        Ok(TransferCost {
            wall,
            cpu: usage.cpu.saturating_sub(self.cpu_before_start),
            memory: usage.memory,
            done_line,
        })
    }

    /// Waits until the program has exited. Terminates a program that has reported completion but keeps running.
    fn wait_for_exit(&mut self, reports_completion: bool, done: bool) -> Result<ProgramUsage> {
        let is_usage = |line: &str| measured_program::parse_usage(line).is_some();
        let pid = self.output.lines_from(0).iter().find_map(|line| measured_program::parse_pid(line));
        let pid = pid
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .context("the program did not start")?;
        for (limit, signal) in [
            (Duration::from_secs(1), Some(Signal::TERM)),
            (EXIT_TIMEOUT, Some(Signal::KILL)),
            (EXIT_TIMEOUT, None),
        ] {
            if let Some((_, line)) = self.wait_for_line(0, limit, is_usage)? {
                let usage = measured_program::parse_usage(&line).context("invalid usage line")?;
                return match (reports_completion, done, usage.success) {
                    (true, false, _) => bail!("the program ended without reporting completion"),
                    (false, _, false) => bail!("the program failed"),
                    _ => Ok(usage),
                };
            }
            // A program that has just exited needs no signal.
            let _ = signal.map(|signal| kill_process(pid, signal));
        }
        bail!("the program does not exit");
    }

    fn wait_for_line(
        &self,
        from: usize,
        limit: Duration,
        is_match: impl Fn(&str) -> bool,
    ) -> Result<Option<(usize, String)>> {
        let found = interrupt::wait(limit, |slice| {
            let found = self.output.find(from, slice, &is_match);
            // If the pipe has ended, receiving returns at once; this must not spin.
            found.map(Some).or_else(|| self.output.wait_for_end(Duration::ZERO).then_some(None))
        })?;
        Ok(found.flatten().map(|at| (at, self.output.lines_from(at).swap_remove(0))))
    }
}

impl ReceiverCommand {
    const fn waits_until_ready(&self) -> bool {
        matches!(self.input, ReceiverInput::LineWhenReady)
    }
}
