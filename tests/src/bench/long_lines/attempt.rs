//! One run of a receiving program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::group::Group;
use super::super::interrupt;
use super::result::Run;
use super::scene::Scene;
use crate::lines::Lines;

/// How long nothing may travel on the lines before a run begins.
const QUIET: Duration = Duration::from_millis(300);

/// How long is waited for that; keep-alive messages must not hold everything up.
const QUIET_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of greetings and headers that arrive before the content, at most.
const BEFORE_CONTENT: usize = 4 << 10;

const SHOWN_LINES: usize = 8;

/// How to download the file once.
#[derive(Debug)]
pub(super) struct Attempt {
    command: Command,
    preparation: Option<Preparation>,
    input: Option<String>,
    done: Option<&'static str>,
    before_content: usize,
    result: PathBuf,
}

/// What a program does before a run is measured.
#[derive(Debug)]
pub(super) struct Preparation {
    /// What it reads.
    pub(super) input: String,
    /// What it prints when it is ready.
    pub(super) ready: &'static str,
}

impl Attempt {
    /// Prepares a program that reads nothing.
    pub(super) const fn new(command: Command, result: PathBuf) -> Self {
        Self { command, preparation: None, input: None, done: None, before_content: 0, result }
    }

    /// Tells what the program reads.
    pub(super) fn reading(self, input: impl Into<String>) -> Self {
        Self { input: Some(input.into()), ..self }
    }

    /// Tells what happens before the run is measured.
    pub(super) fn prepared_by(self, preparation: Preparation) -> Self {
        Self { preparation: Some(preparation), ..self }
    }

    /// Tells what the program prints when the file is complete; without it, the file is complete when it ends.
    pub(super) fn until(self, done: &'static str) -> Self {
        Self { done: Some(done), ..self }
    }

    /// Tells how many bytes arrive before the content, beside greetings and headers.
    pub(super) fn after(self, before_content: usize) -> Self {
        Self { before_content, ..self }
    }

    /// Runs it in a folder, for at most `limit`, and compares what has arrived with the original.
    pub(super) fn run(mut self, scene: &Scene, folder: &Path, limit: Duration) -> Result<Run> {
        let (reader, writer) = std::io::pipe()?;
        self.command.current_dir(folder).env("XDG_STATE_HOME", folder).env("HOME", folder);
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        self.command.stderr(writer.try_clone()?).stdout(writer);
        wait_for_quiet(scene)?;
        let before_content = BEFORE_CONTENT + self.before_content;
        scene.begin_measuring(before_content);
        let mut start = Instant::now();
        let mut group = Group::spawn(self.command)?;
        let (mut input, output) = (group.child().stdin.take(), Lines::of(reader));
        if let Some(preparation) = &self.preparation {
            write(input.as_mut(), &preparation.input)?;
            if until_line(&output, preparation.ready, limit)? != End::Line {
                bail!("it did not become ready: {}", last_lines(&output));
            }
            wait_for_quiet(scene)?;
            scene.begin_measuring(before_content);
            start = Instant::now();
        }
        if let Some(text) = &self.input {
            write(input.as_mut(), text)?;
        }
        let end = until_line(&output, self.done.unwrap_or("\0"), limit)?;
        let took = start.elapsed();
        let reading = scene.read_measured();
        let run = Run {
            took: took.min(limit),
            first: reading.reached.map(|reached| reached.saturating_duration_since(start)),
            is_cut: end == End::Limit,
            timeliness: reading.timeliness,
        };
        if end == End::Limit {
            return Ok(run);
        }
        if self.done.is_some() && end == End::Exit {
            bail!("it ended without completing the download: {}", last_lines(&output));
        }
        drop(input);
        drop(group);
        if !scene.is_original(&self.result).with_context(|| last_lines(&output))? {
            bail!("what arrived is not the original");
        }
        Ok(run)
    }
}

/// Why waiting for a line ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Line,
    Exit,
    Limit,
}

fn until_line(output: &Lines, text: &str, limit: Duration) -> Result<End> {
    let end = interrupt::wait(limit, |slice| {
        let found = output.find(0, slice, |line| line.contains(text));
        found.map(|_| End::Line).or_else(|| output.ended(Duration::ZERO).then_some(End::Exit))
    })?;
    Ok(end.unwrap_or(End::Limit))
}

fn wait_for_quiet(scene: &Scene) -> Result<()> {
    interrupt::wait(QUIET_WITHIN, |slice| {
        thread::sleep(slice / 4);
        (scene.quiet() >= QUIET).then_some(())
    })?;
    Ok(())
}

fn write(input: Option<&mut ChildStdin>, text: &str) -> Result<()> {
    input.context("it reads nothing")?.write_all(text.as_bytes()).context("it does not read its input")
}

fn last_lines(output: &Lines) -> String {
    output.since(output.count().saturating_sub(SHOWN_LINES)).join("\n    ")
}
