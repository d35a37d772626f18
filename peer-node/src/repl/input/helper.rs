//! Ties the pure parts to the line editor.

use std::borrow::Cow;
use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint as EditorHint, Hinter};
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::completion::{Folders, complete};
use super::highlight::highlight;
use super::hint::{Hint, hint};
use super::known::Known;
use crate::repl::look::{Look, Style};

/// What the line editor asks while a person types.
pub(super) struct PromptHelper {
    known: Known,
    folders: Folders,
    look: Look,
    /// Off while something other than a command is asked for.
    pub(super) is_on: bool,
}

impl PromptHelper {
    pub(super) fn new(known: Known, share_dir: PathBuf) -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Self { known, folders: Folders { home, share_dir }, look: Look::of_terminal(), is_on: true }
    }
}

impl Helper for PromptHelper {}
impl Validator for PromptHelper {}

impl Completer for PromptHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if !self.is_on {
            return Ok((pos, Vec::new()));
        }
        let typed = line.get(..pos).unwrap_or(line);
        let (start, offers) = complete(typed, &self.known.things(), &self.folders);
        let pair = |offer: super::completion::Offer| Pair { display: offer.shown, replacement: offer.text };
        Ok((start, offers.into_iter().map(pair).collect()))
    }
}

impl EditorHint for Hint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.can_be_taken.then_some(self.shown.as_str())
    }
}

impl Hinter for PromptHelper {
    type Hint = Hint;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Hint> {
        if self.is_on && pos == line.len() { hint(line) } else { None }
    }
}

impl Highlighter for PromptHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.is_on { Cow::Owned(highlight(line, self.look)) } else { Cow::Borrowed(line) }
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
