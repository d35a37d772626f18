use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rustyline::ExternalPrinter;

/// Messages that wait to be printed above the prompt. The line editor accepts none while it shows a list or searches the history;
/// beyond this number they are refused.
const BACKLOG: usize = 64;

/// Prints above the prompt while a person types, on a thread of its own because the line editor may block it.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    messages: Option<SyncSender<String>>,
}

impl Printer {
    /// Returns a printer for a terminal without a line editor, which prints nothing.
    pub(super) const fn disabled() -> Self {
        Self { messages: None }
    }

    pub(super) fn start(mut printer: impl ExternalPrinter + Send + 'static) -> io::Result<Self> {
        let (sender, messages) = sync_channel::<String>(BACKLOG);
        thread::Builder::new().name("notices".to_owned()).spawn(move || {
            for message in messages {
                if printer.print(message).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { messages: Some(sender) })
    }

    /// Queues a line for printing; returns false if it cannot be printed above the prompt.
    pub(crate) fn print(&self, line: &str) -> bool {
        self.messages.as_ref().is_some_and(|messages| messages.try_send(format!("{line}\n")).is_ok())
    }
}
