//! Where commands come from: a person at the prompt, or a script on stdin, each read on a thread of its own.
//!
//! Reading a terminal blocks and cannot be cancelled, hence the thread; it is asked for one line at a time, so that nothing
//! is read while a command runs. When the program ends, the thread may still wait for a key; it ends with the process.
//!
//! At a terminal with cursor movement, keys pass through `feeder` to the line editor, so that no input ends the node and
//! no line is lost. At one without, or where there are no pseudo-terminals, lines are read as those of a script are, behind
//! a prompt.

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
mod terminal_mode;

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

pub(crate) use completion_data::SharedCompletions;
pub(crate) use lines::LineError;
pub(crate) use printer::Printer;
pub(crate) use terminal_mode::EchoGuard;

use lines::ScriptLines;
use terminal_mode::InteractiveTerminal;

/// Asked for one line at a time, the threads never have more than one to tell.
const BACKLOG: usize = 1;

/// What the reading thread is asked for.
#[derive(Debug)]
struct LineRequest {
    prompt: String,
    /// Whether the answer belongs into the history.
    is_command: bool,
    /// Whether lines that were typed ahead are dropped first.
    discards_typeahead: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum InputEvent {
    /// A line, or several that were pasted at once.
    Line(String),
    /// A line that cannot be a command.
    Invalid(LineError),
    /// Ctrl-C instead of a line.
    Interrupted,
    /// There will be nothing more.
    EndOfInput,
}

/// A handle on the thread that reads.
pub(crate) struct CommandInput {
    requests: SyncSender<LineRequest>,
    events: mpsc::Receiver<InputEvent>,
    is_pending: bool,
    discards_typeahead: bool,
    terminal: Option<Arc<InteractiveTerminal>>,
}

/// What the prompt needs to know.
pub(crate) struct PromptConfig {
    /// Where the history lies.
    pub(crate) history: PathBuf,
    /// What Tab can offer.
    pub(crate) completions: SharedCompletions,
    /// Where relative paths behind `as` begin.
    pub(crate) share_dir: PathBuf,
}

impl CommandInput {
    /// Reads stdin line by line.
    pub(crate) fn script() -> io::Result<Self> {
        let mut lines = ScriptLines::new(BufReader::new(io::stdin()));
        Self::start("script", None, move |_| next_line(&mut lines))
    }

    /// Reads a terminal, with editing, history and completion where the terminal can move its cursor; also returns what
    /// prints above the prompt.
    pub(crate) fn prompt(config: PromptConfig) -> io::Result<(Self, Printer)> {
        let terminal = Arc::new(InteractiveTerminal::from_stdin()?);
        if !is_without_cursor_movement() {
            match editor::Editor::new(config, Arc::clone(&terminal)) {
                Ok((mut editor, printer)) => {
                    return Ok((
                        Self::start("prompt", Some(terminal), move |ask| editor.read(ask))?,
                        printer,
                    ));
                }
                Err(error) => tracing::warn!(%error, "no line editor; lines are read as they come"),
            }
        }
        let mut lines = ScriptLines::new(BufReader::new(io::stdin()));
        let read = move |ask: &LineRequest| {
            // A terminal that is gone is noticed by reading it.
            let _ = write!(io::stdout(), "{}", ask.prompt).and_then(|()| io::stdout().flush());
            next_line(&mut lines)
        };
        Ok((Self::start("prompt", Some(terminal), read)?, Printer::disabled()))
    }

    /// Starts the thread that reads a line whenever it is asked to.
    fn start(
        name: &str,
        terminal: Option<Arc<InteractiveTerminal>>,
        mut read: impl FnMut(&LineRequest) -> InputEvent + Send + 'static,
    ) -> io::Result<Self> {
        let (asks, asked) = sync_channel::<LineRequest>(BACKLOG);
        let (event_sender, answers) = mpsc::channel(BACKLOG);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for ask in asked {
                if event_sender.blocking_send(read(&ask)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests: asks, events: answers, is_pending: false, discards_typeahead: false, terminal })
    }

    /// Has the thread read a command, unless it does so already.
    pub(crate) fn request_command(&mut self, prompt: &str) {
        self.request_line(prompt, true);
    }

    /// Has the thread read the answer to a question, unless it reads something already.
    pub(crate) fn request_answer(&mut self, question: &str) {
        self.request_line(question, false);
    }

    fn request_line(&mut self, prompt: &str, is_command: bool) {
        if !self.is_pending {
            // A thread that has gone is noticed by who waits for its answer.
            let forgets = std::mem::take(&mut self.discards_typeahead);
            let _ = self.requests.send(LineRequest {
                prompt: prompt.to_owned(),
                is_command,
                discards_typeahead: forgets,
            });
            self.is_pending = true;
        }
    }

    /// Waits for what was asked for. Cancel safe: what is not waited for now is heard the next time.
    pub(crate) async fn next_event(&mut self) -> InputEvent {
        let heard = self.events.recv().await.unwrap_or(InputEvent::EndOfInput);
        self.is_pending = false;
        heard
    }

    /// Drops the lines that a person typed ahead, because they broke off what goes on.
    pub(crate) fn discard_typeahead(&mut self) {
        self.discards_typeahead = true;
    }

    /// Keeps what is typed off the screen until the result is dropped; `None` if there is no terminal.
    pub(crate) fn suppress_echo(&self) -> Option<EchoGuard> {
        EchoGuard::new(Arc::clone(self.terminal.as_ref()?))
    }

    /// Gives the terminal back as it was, although the thread may still wait for a key.
    pub(crate) fn release(&self) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_pending) {
            terminal.release();
        }
    }
}

fn next_line(lines: &mut ScriptLines<impl BufRead>) -> InputEvent {
    match lines.next() {
        Some(Ok(line)) => InputEvent::Line(line),
        Some(Err(fault)) => InputEvent::Invalid(fault),
        None => InputEvent::EndOfInput,
    }
}

/// Returns true if the line editor could not draw on this terminal.
fn is_without_cursor_movement() -> bool {
    std::env::var("TERM")
        .is_ok_and(|term| ["dumb", "cons25", "emacs"].contains(&term.to_ascii_lowercase().as_str()))
}
