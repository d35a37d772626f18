//! Reads commands from a person at the prompt or from a script on stdin, on a thread of its own.
//!
//! Reading a terminal blocks and cannot be cancelled, hence the thread. It reads one line per request, so that nothing is read
//! while a command runs. At the end of the program it may still wait for a key; it ends with the process.
//!
//! On a terminal with cursor movement, keys pass through `feeder` to the line editor, so that no input can crash the node and
//! no line is lost. On other terminals, and without pseudo-terminals, lines are read as in a script, after a prompt.

mod completion;
mod completion_data;
mod editor;
mod feeder;
mod helper;
mod highlight;
mod hint;
mod history;
mod keys;
mod line_budget;
mod lines;
mod printer;

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

pub(crate) use completion_data::SharedCompletions;
pub(crate) use lines::LineError;
pub(crate) use printer::Printer;

use crate::platform::{EchoGuard, InteractiveTerminal};
use lines::ScriptLines;

/// One request at a time gives at most one event.
const BACKLOG: usize = 1;

/// A request to the reading thread.
#[derive(Debug)]
struct LineRequest {
    prompt: String,
    /// Whether the line is a command, which goes into the history, or the answer to a question.
    is_command: bool,
    /// Whether typed-ahead input is discarded first.
    discards_typeahead: bool,
}

/// The result of a request.
#[derive(Debug)]
pub(crate) enum InputEvent {
    /// A line, or several pasted lines.
    Line(String),
    /// An invalid line.
    Invalid(LineError),
    /// Ctrl-C instead of a line.
    Interrupted,
    /// The end of the input.
    EndOfInput,
}

/// A handle to the reading thread.
pub(crate) struct CommandInput {
    requests: SyncSender<LineRequest>,
    events: mpsc::Receiver<InputEvent>,
    is_pending: bool,
    discards_typeahead: bool,
    terminal: Option<Arc<InteractiveTerminal>>,
}

/// The configuration of the prompt.
pub(crate) struct PromptConfig {
    /// The path of the history.
    pub(crate) history: PathBuf,
    /// The candidates for Tab completion.
    pub(crate) completions: SharedCompletions,
    /// The base of relative paths after `as`.
    pub(crate) share_dir: PathBuf,
}

impl CommandInput {
    /// Reads stdin line by line.
    pub(crate) fn script() -> io::Result<Self> {
        let mut lines = ScriptLines::new(BufReader::new(io::stdin()));
        Self::start("script", None, move |_| next_line(&mut lines))
    }

    /// Reads a terminal, with editing, history and completion if the terminal can move its cursor. Also returns the printer for
    /// notices above the prompt.
    pub(crate) fn prompt(config: PromptConfig) -> io::Result<(Self, Printer)> {
        let terminal = Arc::new(InteractiveTerminal::from_stdin()?);
        if !is_without_cursor_movement() {
            match editor::Editor::new(config, Arc::clone(&terminal)) {
                Ok((mut editor, printer)) => {
                    return Ok((
                        Self::start("prompt", Some(terminal), move |request| editor.read(request))?,
                        printer,
                    ));
                }
                Err(error) => tracing::warn!(%error, "line editor unavailable; reading plain lines"),
            }
        }
        let mut lines = ScriptLines::new(BufReader::new(io::stdin()));
        let read = move |request: &LineRequest| {
            // A closed terminal is noticed by the read.
            let _ = write!(io::stdout(), "{}", request.prompt).and_then(|()| io::stdout().flush());
            next_line(&mut lines)
        };
        Ok((Self::start("prompt", Some(terminal), read)?, Printer::disabled()))
    }

    /// Starts the thread, which reads one line per request.
    fn start(
        name: &str,
        terminal: Option<Arc<InteractiveTerminal>>,
        mut read: impl FnMut(&LineRequest) -> InputEvent + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, received) = sync_channel::<LineRequest>(BACKLOG);
        let (event_sender, events) = mpsc::channel(BACKLOG);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for request in received {
                if event_sender.blocking_send(read(&request)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, events, is_pending: false, discards_typeahead: false, terminal })
    }

    /// Requests a command, unless a request is pending.
    pub(crate) fn request_command(&mut self, prompt: &str) {
        self.request_line(prompt, true);
    }

    /// Requests the answer to a question, unless a request is pending.
    pub(crate) fn request_answer(&mut self, question: &str) {
        self.request_line(question, false);
    }

    fn request_line(&mut self, prompt: &str, is_command: bool) {
        if !self.is_pending {
            // If the thread has ended, `next_event` returns the end of the input.
            let discards_typeahead = std::mem::take(&mut self.discards_typeahead);
            let _ =
                self.requests.send(LineRequest { prompt: prompt.to_owned(), is_command, discards_typeahead });
            self.is_pending = true;
        }
    }

    /// Waits for the result of the request. Cancel safe: if the future is dropped, the next call returns the result.
    pub(crate) async fn next_event(&mut self) -> InputEvent {
        let event = self.events.recv().await.unwrap_or(InputEvent::EndOfInput);
        self.is_pending = false;
        event
    }

    /// Discards typed-ahead lines before the next request, because the person interrupted the command.
    pub(crate) fn discard_typeahead(&mut self) {
        self.discards_typeahead = true;
    }

    /// Suppresses the echo of typed keys until the guard is dropped; `None` without a terminal.
    pub(crate) fn suppress_echo(&self) -> Option<EchoGuard> {
        EchoGuard::new(Arc::clone(self.terminal.as_ref()?))
    }

    /// Restores the terminal, although the thread may still wait for a key.
    pub(crate) fn release(&self) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_pending)
            && terminal.set_original()
        {
            // Disable bracketed paste, and move to a new line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        }
    }
}

fn next_line(lines: &mut ScriptLines<impl BufRead>) -> InputEvent {
    match lines.next() {
        Some(Ok(line)) => InputEvent::Line(line),
        Some(Err(error)) => InputEvent::Invalid(error),
        None => InputEvent::EndOfInput,
    }
}

/// Returns true if the line editor cannot draw on this terminal.
fn is_without_cursor_movement() -> bool {
    std::env::var("TERM")
        .is_ok_and(|term| ["dumb", "cons25", "emacs"].contains(&term.to_ascii_lowercase().as_str()))
}
