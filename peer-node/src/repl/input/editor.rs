use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config};

use super::feeder::FeederHandle;
use super::helper::PromptHelper;
use super::history::{History, MAX_ENTRIES};
use super::terminal_mode::InteractiveTerminal;
use super::{InputEvent, LineError, LineRequest, Printer, PromptConfig};

/// The line editor, its history, and what passes the keys to it.
pub(super) struct Editor {
    inner: rustyline::Editor<PromptHelper, DefaultHistory>,
    history: History,
    feed: FeederHandle,
}

impl Editor {
    /// Takes the terminal; also returns what prints above the prompt.
    pub(super) fn new(
        config: PromptConfig,
        terminal: Arc<InteractiveTerminal>,
    ) -> io::Result<(Self, Printer)> {
        let options = Config::builder()
            .completion_type(CompletionType::List)
            .completion_prompt_limit(100)
            .auto_add_history(false)
            .build();
        let mut editor = rustyline::Editor::with_config(options).map_err(io::Error::other)?;
        editor.set_max_history_size(MAX_ENTRIES).map_err(io::Error::other)?;
        editor.set_helper(Some(PromptHelper::new(config.completions, config.share_dir)));
        let (history, entries) = History::open(config.history);
        for entry in entries {
            editor.add_history_entry(entry).map_err(io::Error::other)?;
        }
        let printer = Printer::start(editor.create_external_printer().map_err(io::Error::other)?)?;
        let feed = FeederHandle::start(terminal, printer.clone())?;
        Ok((Self { inner: editor, history, feed }, printer))
    }

    /// Reads a line; waits for the person.
    pub(super) fn read(&mut self, ask: &LineRequest) -> InputEvent {
        if let Some(helper) = self.inner.helper_mut() {
            helper.is_enabled = ask.is_command;
        }
        if !self.feed.begin(ask.discards_typeahead) {
            return InputEvent::EndOfInput;
        }
        // The line editor counts rows in 16 bits and panics beyond; the node goes on.
        let read = panic::catch_unwind(AssertUnwindSafe(|| self.inner.readline(&ask.prompt)));
        let is_given_up = !matches!(read, Ok(Ok(_)));
        let is_too_long = self.feed.end(is_given_up);
        match read {
            Err(_) => InputEvent::Invalid(LineError::TooLong),
            Ok(Ok(_)) if is_too_long => InputEvent::Invalid(LineError::TooLong),
            Ok(Ok(line)) => {
                if ask.is_command {
                    self.remember(&line);
                }
                InputEvent::Line(line)
            }
            Ok(Err(ReadlineError::Interrupted)) => InputEvent::Interrupted,
            Ok(Err(ReadlineError::Eof)) => InputEvent::EndOfInput,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the prompt ended");
                InputEvent::EndOfInput
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
