use protocol::escape::excerpt;

use super::CommandLine;
use crate::frontend::repl::command::ParseError;
use crate::frontend::repl::command_table::Verb;

/// The option of `browse` that lists all files below a folder.
pub(super) const ALL: &str = "--all";

/// Returns the options of a command.
const fn options_of(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Browse => &[ALL],
        Verb::Download => &["--link", "--executable", "--timeout"],
        _ => &[],
    }
}

/// Refuses unknown options. Quoted words are never options.
pub(super) fn check_options(line: &CommandLine<'_>) -> Result<(), ParseError> {
    let looks_like_option = |text: &str| {
        text.strip_prefix("--")
            .is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic()))
    };
    if line.entry.verb == Verb::Register {
        // `register` supports `--` and parses its own options.
        return Ok(());
    }
    let known = options_of(line.entry.verb);
    let is_unknown = |text: &str| {
        looks_like_option(text) && !text.split('=').next().is_some_and(|name| known.contains(&name))
    };
    match line.words.iter().find(|word| !word.quoted && is_unknown(&word.text)) {
        Some(word) => Err(line.usage_error(format!("unknown option {}", excerpt(&word.text)))),
        None => Ok(()),
    }
}
