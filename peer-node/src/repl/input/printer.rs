use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rustyline::ExternalPrinter;

/// Messages that wait to be printed above the prompt. The line editor takes none while it shows a list or searches the
/// history; those that come on top of so many are left to the log.
const BACKLOG: usize = 64;

/// Prints above the prompt while a person types, on a thread of its own since the line editor may make it wait.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    messages: Option<SyncSender<String>>,
}

impl Printer {
    /// Makes one for a terminal on which nothing can be printed above the prompt.
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

    /// Prints a line, or says that it cannot.
    pub(crate) fn print(&self, line: &str) -> bool {
        self.messages.as_ref().is_some_and(|messages| messages.try_send(format!("{line}\n")).is_ok())
    }
}
