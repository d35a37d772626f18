//! One measured run of a receiving program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::interrupt;
use super::super::process_group::ProcessGroup;
use super::cell_setup::CellSetup;
use super::run_result::RunResult;
use crate::output_lines::OutputLines;

/// Time without traffic on the lines before a run begins.
const QUIET_TIME: Duration = Duration::from_millis(300);

/// Time limit of that wait, since keep-alive messages may never stop.
const QUIET_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum bytes of handshakes and headers that arrive before the content.
const MAX_HEADER_BYTES: usize = 4 << 10;

const SHOWN_LINES: usize = 8;

/// The command that downloads the file once.
#[derive(Debug)]
pub(super) struct MeasuredCommand {
    command: Command,
    preparation: Option<Preparation>,
    input: Option<String>,
    done_line: Option<&'static str>,
    before_content: usize,
    result: PathBuf,
}

/// What a program does before the measurement.
#[derive(Debug)]
pub(super) struct Preparation {
    /// The input for the program.
    pub(super) input: String,
    /// The line that the program prints when it is ready.
    pub(super) ready_line: &'static str,
}

impl MeasuredCommand {
    /// Prepares a program without input.
    pub(super) const fn new(command: Command, result: PathBuf) -> Self {
        Self { command, preparation: None, input: None, done_line: None, before_content: 0, result }
    }

    /// Sets the program's input.
    pub(super) fn with_input(self, input: impl Into<String>) -> Self {
        Self { input: Some(input.into()), ..self }
    }

    /// Sets what happens before the measurement.
    pub(super) fn with_preparation(self, preparation: Preparation) -> Self {
        Self { preparation: Some(preparation), ..self }
    }

    /// Sets the line that the program prints when the file is complete. Without it, the file is complete when the
    /// program exits.
    pub(super) fn with_done_line(self, done: &'static str) -> Self {
        Self { done_line: Some(done), ..self }
    }

    /// Sets how many bytes arrive before the content, in addition to handshakes and headers.
    pub(super) fn with_bytes_before_content(self, before_content: usize) -> Self {
        Self { before_content, ..self }
    }

    /// Runs the command in a folder for at most `limit` and compares the result with the original.
    pub(super) fn run(mut self, setup: &CellSetup, folder: &Path, limit: Duration) -> Result<RunResult> {
        let (reader, writer) = std::io::pipe()?;
        self.command.current_dir(folder).env("XDG_STATE_HOME", folder).env("HOME", folder);
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        self.command.stderr(writer.try_clone()?).stdout(writer);
        wait_for_quiet(setup)?;
        let before_content = MAX_HEADER_BYTES + self.before_content;
        setup.begin_measuring(before_content);
        let mut start = Instant::now();
        let mut group = ProcessGroup::spawn(self.command)?;
        let (mut input, output) = (group.child().stdin.take(), OutputLines::collect(reader));
        if let Some(preparation) = &self.preparation {
            write_input(input.as_mut(), &preparation.input)?;
            if wait_for_line(&output, preparation.ready_line, limit)? != WaitEnd::LineFound {
                bail!("the program did not become ready: {}", last_lines(&output));
            }
            wait_for_quiet(setup)?;
            setup.begin_measuring(before_content);
            start = Instant::now();
        }
        if let Some(text) = &self.input {
            write_input(input.as_mut(), text)?;
        }
        let end = wait_for_line(&output, self.done_line.unwrap_or("\0"), limit)?;
        let took = start.elapsed();
        let reading = setup.read_measured();
        let run = RunResult {
            duration: took.min(limit),
            content_delay: reading.content_started_at.map(|reached| reached.saturating_duration_since(start)),
            is_timed_out: end == WaitEnd::TimedOut,
            timeliness: reading.timeliness,
        };
        if end == WaitEnd::TimedOut {
            return Ok(run);
        }
        if self.done_line.is_some() && end == WaitEnd::ProgramExited {
            bail!("the program ended without completing the download: {}", last_lines(&output));
        }
        drop(input);
        drop(group);
        if !setup.is_original(&self.result).with_context(|| last_lines(&output))? {
            bail!("the downloaded file differs from the original");
        }
        Ok(run)
    }
}

/// Why a wait for a line ended.
#[derive(Debug, PartialEq, Eq)]
enum WaitEnd {
    LineFound,
    ProgramExited,
    TimedOut,
}

fn wait_for_line(output: &OutputLines, text: &str, limit: Duration) -> Result<WaitEnd> {
    let end = interrupt::wait(limit, |slice| {
        let found = output.find(0, slice, |line| line.contains(text));
        found
            .map(|_| WaitEnd::LineFound)
            .or_else(|| output.wait_for_end(Duration::ZERO).then_some(WaitEnd::ProgramExited))
    })?;
    Ok(end.unwrap_or(WaitEnd::TimedOut))
}

fn wait_for_quiet(setup: &CellSetup) -> Result<()> {
    interrupt::wait(QUIET_TIMEOUT, |slice| {
        thread::sleep(slice / 4);
        (setup.idle_time() >= QUIET_TIME).then_some(())
    })?;
    Ok(())
}

fn write_input(input: Option<&mut ChildStdin>, text: &str) -> Result<()> {
    input
        .context("no standard input")?
        .write_all(text.as_bytes())
        .context("cannot write to the program's input")
}

fn last_lines(output: &OutputLines) -> String {
    output.lines_from(output.line_count().saturating_sub(SHOWN_LINES)).join("\n    ")
}
