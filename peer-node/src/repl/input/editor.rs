use std::io;
use std::panic::{self, AssertUnwindSafe};

use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config};

use super::ahead::typed_ahead;
use super::helper::PromptHelper;
use super::history::{History, MAX_ENTRIES};
use super::{Heard, LineFault, Printer, PromptConfig};
use crate::repl::look::Look;

/// The line editor and its history.
pub(super) struct Editor {
    inner: rustyline::Editor<PromptHelper, DefaultHistory>,
    history: History,
    /// Whether lines that were typed ahead are left with the terminal: a line editor without editing gathers its own.
    gathers: bool,
}

impl Editor {
    pub(super) fn new(config: PromptConfig) -> io::Result<Self> {
        let options = Config::builder()
            .completion_type(CompletionType::List)
            .completion_prompt_limit(100)
            .auto_add_history(false)
            .build();
        let mut editor = rustyline::Editor::with_config(options).map_err(io::Error::other)?;
        editor.set_max_history_size(MAX_ENTRIES).map_err(io::Error::other)?;
        editor.set_helper(Some(PromptHelper::new(config.known, config.share_dir)));
        let (history, entries) = History::open(config.history);
        for entry in entries {
            editor.add_history_entry(entry).map_err(io::Error::other)?;
        }
        Ok(Self { inner: editor, history, gathers: Look::of_terminal().redraw })
    }

    /// Returns what prints above the prompt.
    pub(super) fn printer(&mut self) -> io::Result<Printer> {
        match self.inner.create_external_printer() {
            Ok(printer) => Printer::start(printer),
            // A terminal without cursor movement.
            Err(_) => Ok(Printer::none()),
        }
    }

    /// Reads a line; waits for the person.
    pub(super) fn read(&mut self, prompt: &str, is_command: bool) -> Heard {
        if let Some(helper) = self.inner.helper_mut() {
            helper.is_on = is_command;
        }
        if is_command
            && self.gathers
            && let Some(heard) = typed_ahead()
        {
            if let Heard::Ahead(line) = &heard {
                self.remember(line);
            }
            return heard;
        }
        // The line editor counts rows in 16 bits and gives up on a paste of megabytes; the node goes on.
        let read = panic::catch_unwind(AssertUnwindSafe(|| self.inner.readline(prompt)));
        let Ok(read) = read else { return Heard::Refused(LineFault::TooLong) };
        match read {
            Ok(line) => {
                if is_command {
                    self.remember(&line);
                }
                Heard::Line(line)
            }
            Err(ReadlineError::Interrupted) => Heard::Interrupted,
            Err(ReadlineError::Eof) => Heard::End,
            Err(error) => {
                tracing::warn!(%error, "prompt ended");
                Heard::End
            }
        }
    }

    fn remember(&mut self, lines: &str) {
        for line in lines.lines() {
            if self.history.add(line) {
                // In memory alone, this cannot fail.
                let _ = self.inner.add_history_entry(line);
            }
        }
    }
}
