//! Where commands come from: a person at the prompt, or a script on stdin, each read on a thread of its own.
//!
//! Reading a terminal blocks and cannot be cancelled, hence the thread; it is asked for one line at a time, so that nothing
//! is read while a command runs. When the program ends, the thread may still wait for a key; it ends with the process.
//!
//! At a terminal with cursor movement, keys pass through `feeder` to the line editor, so that no input ends the node and
//! no line is lost. At one without, or where there are no pseudo-terminals, lines are read as those of a script are, behind
//! a prompt.

mod completion;
mod editor;
mod feeder;
mod helper;
mod highlight;
mod hint;
mod history;
mod keys;
mod known;
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

pub(crate) use known::Known;
pub(crate) use lines::LineFault;
pub(crate) use printer::Printer;
pub(crate) use terminal_mode::QuietKeys;

use lines::Lines;
use terminal_mode::PersonTerminal;

/// Asked for one line at a time, the threads never have more than one to tell.
const BACKLOG: usize = 1;

/// What the reading thread is asked for.
#[derive(Debug)]
struct Ask {
    prompt: String,
    /// Whether the answer belongs into the history.
    is_command: bool,
    /// Whether lines that were typed ahead are dropped first.
    forgets: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A line, or several that were pasted at once.
    Line(String),
    /// A line that cannot be a command.
    Refused(LineFault),
    /// Ctrl-C instead of a line.
    Interrupted,
    /// There will be nothing more.
    End,
}

/// A handle on the thread that reads.
pub(crate) struct Input {
    asks: SyncSender<Ask>,
    answers: mpsc::Receiver<Heard>,
    is_asked: bool,
    forgets: bool,
    terminal: Option<Arc<PersonTerminal>>,
}

/// What the prompt needs to know.
pub(crate) struct PromptConfig {
    /// Where the history lies.
    pub(crate) history: PathBuf,
    /// What Tab can offer.
    pub(crate) known: Known,
    /// Where relative paths behind `as` begin.
    pub(crate) share_dir: PathBuf,
}

impl Input {
    /// Reads stdin line by line.
    pub(crate) fn script() -> io::Result<Self> {
        let mut lines = Lines::new(BufReader::new(io::stdin()));
        Self::start("script", None, move |_| next_line(&mut lines))
    }

    /// Reads a terminal, with editing, history and completion where the terminal can move its cursor; also returns what
    /// prints above the prompt.
    pub(crate) fn prompt(config: PromptConfig) -> io::Result<(Self, Printer)> {
        let terminal = Arc::new(PersonTerminal::of_stdin()?);
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
        let mut lines = Lines::new(BufReader::new(io::stdin()));
        let read = move |ask: &Ask| {
            // A terminal that is gone is noticed by reading it.
            let _ = write!(io::stdout(), "{}", ask.prompt).and_then(|()| io::stdout().flush());
            next_line(&mut lines)
        };
        Ok((Self::start("prompt", Some(terminal), read)?, Printer::none()))
    }

    /// Starts the thread that reads a line whenever it is asked to.
    fn start(
        name: &str,
        terminal: Option<Arc<PersonTerminal>>,
        mut read: impl FnMut(&Ask) -> Heard + Send + 'static,
    ) -> io::Result<Self> {
        let (asks, asked) = sync_channel::<Ask>(BACKLOG);
        let (tell, answers) = mpsc::channel(BACKLOG);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for ask in asked {
                if tell.blocking_send(read(&ask)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { asks, answers, is_asked: false, forgets: false, terminal })
    }

    /// Has the thread read a command, unless it does so already.
    pub(crate) fn ask(&mut self, prompt: &str) {
        self.send(prompt, true);
    }

    /// Has the thread read the answer to a question, unless it reads something already.
    pub(crate) fn ask_aside(&mut self, question: &str) {
        self.send(question, false);
    }

    fn send(&mut self, prompt: &str, is_command: bool) {
        if !self.is_asked {
            // A thread that has gone is noticed by who waits for its answer.
            let forgets = std::mem::take(&mut self.forgets);
            let _ = self.asks.send(Ask { prompt: prompt.to_owned(), is_command, forgets });
            self.is_asked = true;
        }
    }

    /// Waits for what was asked for. Cancel safe: what is not waited for now is heard the next time.
    pub(crate) async fn heard(&mut self) -> Heard {
        let heard = self.answers.recv().await.unwrap_or(Heard::End);
        self.is_asked = false;
        heard
    }

    /// Drops the lines that a person typed ahead, because they broke off what goes on.
    pub(crate) fn forget_ahead(&mut self) {
        self.forgets = true;
    }

    /// Keeps what is typed off the screen until the result is dropped; `None` if there is no terminal.
    pub(crate) fn quiet_keys(&self) -> Option<QuietKeys> {
        QuietKeys::new(Arc::clone(self.terminal.as_ref()?))
    }

    /// Gives the terminal back as it was, although the thread may still wait for a key.
    pub(crate) fn release(&self) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_asked) {
            terminal.release();
        }
    }
}

fn next_line(lines: &mut Lines<impl BufRead>) -> Heard {
    match lines.next() {
        Some(Ok(line)) => Heard::Line(line),
        Some(Err(fault)) => Heard::Refused(fault),
        None => Heard::End,
    }
}

/// Returns true if the line editor could not draw on this terminal.
fn is_without_cursor_movement() -> bool {
    std::env::var("TERM")
        .is_ok_and(|term| ["dumb", "cons25", "emacs"].contains(&term.to_ascii_lowercase().as_str()))
}
