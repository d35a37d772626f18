//! Connects completion, hints and highlighting to the line editor.

use std::borrow::Cow;
use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint as EditorHint, Hinter};
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::completion::{PathBases, complete};
use super::completion_data::SharedCompletions;
use super::highlight::highlight;
use super::hint::{InputHint, hint};
use crate::frontend::console::look::{Look, Style};

/// The callbacks of the line editor.
pub(super) struct PromptHelper {
    completions: SharedCompletions,
    path_bases: PathBases,
    look: Look,
    /// False while the prompt asks a question instead of reading a command.
    pub(super) is_enabled: bool,
}

impl PromptHelper {
    pub(super) fn new(completions: SharedCompletions, share_dir: PathBuf) -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Self {
            completions,
            path_bases: PathBases { home, share_dir },
            look: Look::detect(),
            is_enabled: true,
        }
    }
}

impl Helper for PromptHelper {}
impl Validator for PromptHelper {}

impl Completer for PromptHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if !self.is_enabled {
            return Ok((pos, Vec::new()));
        }
        let typed = line.get(..pos).unwrap_or(line);
        let (start, items) = complete(typed, &self.completions.snapshot(), &self.path_bases);
        let pair = |item: super::completion::CompletionItem| Pair {
            display: item.label,
            replacement: item.replacement,
        };
        Ok((start, items.into_iter().map(pair).collect()))
    }
}

impl EditorHint for InputHint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.is_completable.then_some(self.text.as_str())
    }
}

impl Hinter for PromptHelper {
    type Hint = InputHint;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<InputHint> {
        if self.is_enabled && pos == line.len() { hint(line) } else { None }
    }
}

impl Highlighter for PromptHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.is_enabled { Cow::Owned(highlight(line, self.look)) } else { Cow::Borrowed(line) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(self.look.paint(Style::Accent, prompt))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.look.paint(Style::Faint, hint))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}
