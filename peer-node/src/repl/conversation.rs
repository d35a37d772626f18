//! The loop of a sitting: a command comes in, is carried out, and the next one is asked for.

mod ask;

use super::act::{act, stop_foreground};
use super::command::{Command, parse};
use super::failure::Failure;
use super::input::{Heard, Input, Printer};
use super::notices::{Notice, Notices};
use super::output::OutputError;
use super::readiness::Readiness;
use super::session::Session;
use crate::cli::{Signals, Stop};
use crate::index_client::IndexStatus;

/// What came of the commands of a script, the worst last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All of them succeeded.
    #[default]
    Success,
    /// Downloads have not come to their end; they resume when the node is started again.
    Unfinished,
    /// Any failed or was broken off.
    Failed,
}

/// How a sitting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There were no more commands, or a signal came.
    Over(Verdict),
    /// The output cannot be written any more.
    Unwritten(OutputError),
}

/// Whether the sitting goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

/// A sitting that goes on.
pub(crate) struct Conversation<'a> {
    session: Session,
    input: Input,
    signals: &'a mut Signals,
    /// For people: what prints above the prompt, and what there is to print.
    printer: Option<(Printer, Notices)>,
    verdict: Verdict,
    /// For scripts: what their commands have waited for.
    readiness: Option<Readiness>,
    /// Whether the last thing that happened was Ctrl-C at an empty line.
    was_interrupted: bool,
}

impl<'a> Conversation<'a> {
    /// Begins a sitting.
    pub(crate) fn new(
        session: Session,
        input: Input,
        signals: &'a mut Signals,
        printer: Option<(Printer, Notices)>,
    ) -> Self {
        let readiness = (!session.output.is_for_person()).then(Readiness::begin);
        let verdict = Verdict::Success;
        Self { session, input, signals, printer, verdict, readiness, was_interrupted: false }
    }

    /// Goes on until the end.
    pub(crate) async fn run(mut self) -> Ended {
        let last = loop {
            self.session.tell_known();
            self.input.ask(&self.prompt());
            match self.step().await {
                Ok(Next::GoOn) => {}
                last => break last,
            }
        };
        self.session.output.clear_live();
        self.input.release();
        match last {
            // What a person mistyped is no failure of the program, and a terminal that is gone is their farewell.
            _ if self.is_for_person() => Ended::Over(Verdict::Success),
            Ok(_) => Ended::Over(self.verdict),
            Err(error) => Ended::Unwritten(error),
        }
    }

    fn prompt(&self) -> String {
        let port = self.session.node.address().port();
        let is_online = matches!(*self.session.node.index().status().borrow(), IndexStatus::Online { .. });
        if is_online { format!("peer {port}> ") } else { format!("peer {port} (no index)> ") }
    }

    fn is_for_person(&self) -> bool {
        self.session.output.is_for_person()
    }

    async fn step(&mut self) -> Result<Next, OutputError> {
        let Some(heard) = self.listen().await? else { return Ok(Next::End) };
        let was_interrupted = std::mem::take(&mut self.was_interrupted);
        match heard {
            Heard::Line(text) => self.lines(&text).await,
            Heard::Refused(fault) => {
                self.session.output.error(fault);
                self.verdict = Verdict::Failed;
                Ok(Next::GoOn)
            }
            Heard::Interrupted => {
                if was_interrupted {
                    self.session.output.line("quit or Ctrl-D ends the node")?;
                }
                self.was_interrupted = !was_interrupted;
                Ok(Next::GoOn)
            }
            Heard::End => self.leave().await,
        }
    }

    async fn lines(&mut self, text: &str) -> Result<Next, OutputError> {
        for line in text.lines() {
            if self.line(line).await? == Next::End {
                return Ok(Next::End);
            }
        }
        Ok(Next::GoOn)
    }

    /// Waits for a command, and shows meanwhile what happens by itself; nothing if a signal ends the sitting.
    async fn listen(&mut self) -> Result<Option<Heard>, OutputError> {
        loop {
            let Self { input, signals, printer, session, .. } = self;
            let notice = async {
                match printer {
                    Some((_, notices)) => notices.next(&mut session.background).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = input.heard() => return Ok(Some(heard)),
                notice = notice => self.show(&notice)?,
                stop = signals.next() => match stop {
                    // The line editor takes the keys of a terminal; where it cannot, the terminal has cleared the line.
                    Stop::Interrupt if self.is_for_person() => self.session.output.line("")?,
                    _ => return Ok(None),
                },
            }
        }
    }

    async fn line(&mut self, line: &str) -> Result<Next, OutputError> {
        let command = match parse(line) {
            Ok(None) => return Ok(Next::GoOn),
            Ok(Some(Command::Quit)) => return self.leave().await,
            Ok(Some(command)) => command,
            Err(error) => return self.failed(&Failure::Parse(error)),
        };
        match self.carry_out(command.clone()).await {
            Err(Failure::Unconfirmed { error }) if self.is_for_person() => {
                match self.confirms(&format!("{error}; share it all the same? [y/N] ")).await? {
                    Some(true) => {}
                    Some(false) => return Ok(Next::GoOn),
                    None => return Ok(Next::End),
                }
                let done = self.carry_out(command.confirmed()).await;
                self.judge(done)
            }
            done => self.judge(done),
        }
    }

    /// Carries a command out, unless a signal breaks it off.
    async fn carry_out(&mut self, command: Command) -> Result<Next, Failure> {
        let quiet = self.input.quiet_keys();
        let (session, readiness) = (&mut self.session, &mut self.readiness);
        let acting = async {
            if let Some(readiness) = readiness
                && readiness.wait(&session.node, &command).await
            {
                // Before that the folder may still be being looked through.
                session.warn_of_left_out();
            }
            act(session, command).await
        };
        let stop = tokio::select! {
            done = acting => {
                self.session.output.clear_live();
                return done.map(|()| Next::GoOn);
            }
            stop = self.signals.next() => stop,
        };
        drop(quiet);
        self.input.forget_ahead();
        self.verdict = Verdict::Failed;
        self.session.output.clear_live();
        if stop == Stop::Terminate {
            return Ok(Next::End);
        }
        match stop_foreground(&mut self.session).await {
            Err(Failure::Closed(closed)) => Err(Failure::Closed(closed)),
            _ if self.is_for_person() => Ok(Next::GoOn),
            _ => Ok(Next::End),
        }
    }

    fn judge(&mut self, done: Result<Next, Failure>) -> Result<Next, OutputError> {
        done.or_else(|failure| self.failed(&failure))
    }

    fn failed(&mut self, failure: &Failure) -> Result<Next, OutputError> {
        match failure {
            Failure::Closed(closed) => return Err(*closed),
            Failure::Unfinished => {
                self.verdict = self.verdict.max(Verdict::Unfinished);
                return Ok(Next::GoOn);
            }
            Failure::Told => {}
            other => self.session.output.error(other),
        }
        self.verdict = Verdict::Failed;
        Ok(Next::GoOn)
    }

    fn show(&mut self, notice: &Notice) -> Result<(), OutputError> {
        let text = self.session.output.look().paint(notice.style, &notice.text);
        let printed = self.printer.as_ref().is_some_and(|(printer, _)| printer.print(&text));
        if printed { Ok(()) } else { self.session.output.line(text) }
    }
}
