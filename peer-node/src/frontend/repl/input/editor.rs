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
use super::{InputEvent, LineError, LineRequest, Printer, PromptConfig};
use crate::platform::InteractiveTerminal;

/// The line editor with its history and the feeder of its keys.
pub(super) struct Editor {
    inner: rustyline::Editor<PromptHelper, DefaultHistory>,
    history: History,
    feed: FeederHandle,
}

impl Editor {
    /// Starts the editor on a terminal; also returns the printer for notices above the prompt.
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

    /// Reads a line. Blocks.
    pub(super) fn read(&mut self, request: &LineRequest) -> InputEvent {
        if let Some(helper) = self.inner.helper_mut() {
            helper.is_enabled = request.is_command;
        }
        if !self.feed.begin(request.discards_typeahead) {
            return InputEvent::EndOfInput;
        }
        // The line editor counts rows in 16 bits and panics on overflow, which must not stop the node.
        let read = panic::catch_unwind(AssertUnwindSafe(|| self.inner.readline(&request.prompt)));
        let is_aborted = !matches!(read, Ok(Ok(_)));
        let is_too_long = self.feed.end(is_aborted);
        match read {
            Err(_) => InputEvent::Invalid(LineError::TooLong),
            Ok(Ok(_)) if is_too_long => InputEvent::Invalid(LineError::TooLong),
            Ok(Ok(line)) => {
                if request.is_command {
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
                // Cannot fail: this history is in memory only.
                let _ = self.inner.add_history_entry(line);
            }
        }
    }
}
