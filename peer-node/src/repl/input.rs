//! Where commands come from: a person at the prompt, or a script on stdin, each read on a thread of its own.
//!
//! A thread, because reading a terminal blocks and cannot be called off; it is asked for one line at a time, so that
//! nothing is read while a command runs. When the program ends, the thread may still wait for a key; it ends with the
//! process.

mod ahead;
mod completion;
mod editor;
mod helper;
mod highlight;
mod hint;
mod history;
mod known;
mod lines;
mod printer;
mod terminal_mode;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

pub(crate) use known::Known;
pub(crate) use lines::LineFault;
pub(crate) use printer::Printer;
pub(crate) use terminal_mode::QuietKeys;

use lines::Lines;
use terminal_mode::TerminalMode;

/// Asked for one line at a time, the threads never have more than one to tell.
const BACKLOG: usize = 1;

/// What the reading thread is asked for.
#[derive(Debug)]
struct Ask {
    prompt: String,
    /// Whether the answer belongs into the history.
    is_command: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A line, or several that were pasted at once.
    Line(String),
    /// A line that was typed before the prompt came, which shows nowhere behind a prompt.
    Ahead(String),
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
    /// How the terminal was before the first prompt.
    terminal: Option<TerminalMode>,
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
        let (asks, asked) = sync_channel::<Ask>(BACKLOG);
        let (tell, answers) = mpsc::channel(BACKLOG);
        thread::Builder::new().name("script".to_owned()).spawn(move || {
            let mut lines = Lines::new(io::stdin().lock());
            for _ in asked {
                let heard = match lines.next() {
                    Some(Ok(line)) => Heard::Line(line),
                    Some(Err(fault)) => Heard::Refused(fault),
                    None => Heard::End,
                };
                if tell.blocking_send(heard).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { asks, answers, is_asked: false, terminal: None })
    }

    /// Reads a terminal, with editing, history and completion; also returns what prints above the prompt.
    pub(crate) fn prompt(config: PromptConfig) -> io::Result<(Self, Printer)> {
        let terminal = TerminalMode::now();
        let (asks, asked) = sync_channel::<Ask>(BACKLOG);
        let (tell, answers) = mpsc::channel(BACKLOG);
        let mut editor = editor::Editor::new(config)?;
        let printer = editor.printer()?;
        thread::Builder::new().name("prompt".to_owned()).spawn(move || {
            for Ask { prompt, is_command } in asked {
                if tell.blocking_send(editor.read(&prompt, is_command)).is_err() {
                    return;
                }
            }
        })?;
        Ok((Self { asks, answers, is_asked: false, terminal }, printer))
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
            let _ = self.asks.send(Ask { prompt: prompt.to_owned(), is_command });
            self.is_asked = true;
        }
    }

    /// Waits for what was asked for. Cancel safe: what is not waited for now is heard the next time.
    pub(crate) async fn heard(&mut self) -> Heard {
        let heard = self.answers.recv().await.unwrap_or(Heard::End);
        self.is_asked = false;
        heard
    }

    /// Gives the terminal back as it was, although the thread may still wait for a key.
    pub(crate) fn release(&self) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_asked) {
            terminal.restore();
        }
    }
}
