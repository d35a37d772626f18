//! The loop of a session: read a command, execute it, ask for the next one.

mod questions;

use super::actions::{execute, stop_foreground};
use super::command::{ReplCommand, parse};
use super::command_error::CommandError;
use super::input::{CommandInput, InputEvent, Printer};
use super::notices::{Notices, ReplNotice};
use super::readiness::Readiness;
use super::session::ReplSession;
use crate::frontend::console::output::OutputError;
use crate::platform::{Signals, StopSignal};

/// The outcome of a script, the worst last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScriptOutcome {
    /// All commands succeeded.
    #[default]
    Success,
    /// Downloads are unfinished; they resume when the node is started again.
    Unfinished,
    /// A command failed or was interrupted.
    Failed,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplEnd {
    /// The input ended, or a signal arrived.
    Finished(ScriptOutcome),
    /// The output cannot be written.
    OutputFailed(OutputError),
}

/// Whether the session continues.
#[derive(PartialEq, Eq)]
enum LoopControl {
    Continue,
    Exit,
}

/// A running session.
pub(crate) struct ReplLoop<'a> {
    session: ReplSession,
    input: CommandInput,
    signals: &'a mut Signals,
    /// For a person: the notices, and the printer that shows them above the prompt.
    notice_output: Option<(Printer, Notices)>,
    outcome: ScriptOutcome,
    /// For a script: what its commands have waited for.
    readiness: Option<Readiness>,
    /// Whether the last event was Ctrl-C at an empty line.
    was_interrupted: bool,
}

impl<'a> ReplLoop<'a> {
    /// Starts a session.
    pub(crate) fn new(
        session: ReplSession,
        input: CommandInput,
        signals: &'a mut Signals,
        notice_output: Option<(Printer, Notices)>,
    ) -> Self {
        let readiness = (!session.output.is_for_person()).then(Readiness::begin);
        Self {
            session,
            input,
            signals,
            notice_output,
            outcome: ScriptOutcome::Success,
            readiness,
            was_interrupted: false,
        }
    }

    /// Runs the loop until the input ends, a signal arrives or the output fails.
    pub(crate) async fn run(mut self) -> ReplEnd {
        let last = loop {
            self.session.update_completions();
            self.input.request_command(&self.prompt());
            match self.step().await {
                Ok(LoopControl::Continue) => {}
                last => break last,
            }
        };
        self.session.output.clear_live();
        self.input.release();
        match last {
            // A person's mistakes are no failure of the program, and a closed terminal is a normal end.
            _ if self.is_for_person() => ReplEnd::Finished(ScriptOutcome::Success),
            Ok(_) => ReplEnd::Finished(self.outcome),
            Err(error) => ReplEnd::OutputFailed(error),
        }
    }

    fn prompt(&self) -> String {
        let port = self.session.operations.identity().address.port();
        if self.session.operations.is_index_online() {
            format!("peer {port}> ")
        } else {
            format!("peer {port} (no index)> ")
        }
    }

    fn is_for_person(&self) -> bool {
        self.session.output.is_for_person()
    }

    async fn step(&mut self) -> Result<LoopControl, OutputError> {
        let Some(event) = self.next_input().await? else { return Ok(LoopControl::Exit) };
        let was_interrupted = std::mem::take(&mut self.was_interrupted);
        match event {
            InputEvent::Line(text) => self.run_lines(&text).await,
            InputEvent::Invalid(error) => {
                self.session.output.error(error);
                self.outcome = ScriptOutcome::Failed;
                Ok(LoopControl::Continue)
            }
            InputEvent::Interrupted => {
                if was_interrupted {
                    self.session.output.line("type quit or press Ctrl-D to stop the node")?;
                }
                self.was_interrupted = !was_interrupted;
                Ok(LoopControl::Continue)
            }
            InputEvent::EndOfInput => self.confirm_exit().await,
        }
    }

    async fn run_lines(&mut self, text: &str) -> Result<LoopControl, OutputError> {
        for line in text.lines() {
            if self.run_line(line).await? == LoopControl::Exit {
                return Ok(LoopControl::Exit);
            }
        }
        Ok(LoopControl::Continue)
    }

    /// Waits for a command, and shows notices meanwhile. Returns `None` if a signal ends the session.
    async fn next_input(&mut self) -> Result<Option<InputEvent>, OutputError> {
        loop {
            let Self { input, signals, notice_output: printer, session, .. } = self;
            let notice = async {
                match printer {
                    Some((_, notices)) => notices.next(&mut session.background).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = input.next_event() => return Ok(Some(event)),
                notice = notice => self.print_notice(&notice)?,
                stop = signals.next() => match stop {
                    // Without a line editor, Ctrl-C arrives as a signal, and the terminal has already cleared the line.
                    StopSignal::Interrupt if self.is_for_person() => self.session.output.line("")?,
                    _ => return Ok(None),
                },
            }
        }
    }

    async fn run_line(&mut self, line: &str) -> Result<LoopControl, OutputError> {
        let command = match parse(line) {
            Ok(None) => return Ok(LoopControl::Continue),
            Ok(Some(ReplCommand::Quit)) => return self.confirm_exit().await,
            Ok(Some(command)) => command,
            Err(error) => return self.handle_error(&CommandError::Parse(error)),
        };
        match self.run_command(command.clone()).await {
            Err(CommandError::Unconfirmed { error }) if self.is_for_person() => {
                match self.confirm(&format!("{error}; share it anyway? [y/N] ")).await? {
                    Some(true) => {}
                    Some(false) => return Ok(LoopControl::Continue),
                    None => return Ok(LoopControl::Exit),
                }
                let done = self.run_command(command.confirmed()).await;
                self.finish_command(done)
            }
            done => self.finish_command(done),
        }
    }

    /// Executes a command, unless a signal interrupts it.
    async fn run_command(&mut self, command: ReplCommand) -> Result<LoopControl, CommandError> {
        let quiet = self.input.suppress_echo();
        let (session, readiness) = (&mut self.session, &mut self.readiness);
        let execution = async {
            if let Some(readiness) = readiness
                && readiness.wait(&session.operations, &command).await
            {
                // The counts are complete only after the scan of the folder.
                session.warn_of_left_out();
            }
            execute(session, command).await
        };
        let stop = tokio::select! {
            done = execution => {
                self.session.output.clear_live();
                return done.map(|()| LoopControl::Continue);
            }
            stop = self.signals.next() => stop,
        };
        drop(quiet);
        self.input.discard_typeahead();
        self.outcome = ScriptOutcome::Failed;
        self.session.output.clear_live();
        if stop == StopSignal::Terminate {
            return Ok(LoopControl::Exit);
        }
        match stop_foreground(&mut self.session).await {
            Err(CommandError::Output(closed)) => Err(CommandError::Output(closed)),
            _ if self.is_for_person() => Ok(LoopControl::Continue),
            _ => Ok(LoopControl::Exit),
        }
    }

    fn finish_command(
        &mut self,
        done: Result<LoopControl, CommandError>,
    ) -> Result<LoopControl, OutputError> {
        done.or_else(|failure| self.handle_error(&failure))
    }

    fn handle_error(&mut self, failure: &CommandError) -> Result<LoopControl, OutputError> {
        match failure {
            CommandError::Output(closed) => return Err(*closed),
            CommandError::Unfinished => {
                self.outcome = self.outcome.max(ScriptOutcome::Unfinished);
                return Ok(LoopControl::Continue);
            }
            CommandError::AlreadyReported => {}
            CommandError::Operation(problem) => {
                tracing::debug!(kind = ?problem.kind(), %problem, "command failed");
                self.session.output.error(failure);
            }
            other => self.session.output.error(other),
        }
        self.outcome = ScriptOutcome::Failed;
        Ok(LoopControl::Continue)
    }

    fn print_notice(&mut self, notice: &ReplNotice) -> Result<(), OutputError> {
        let text = self.session.output.look().paint(notice.style, &notice.text);
        let printed = self.notice_output.as_ref().is_some_and(|(printer, _)| printer.print(&text));
        if printed { Ok(()) } else { self.session.output.line(text) }
    }
}
