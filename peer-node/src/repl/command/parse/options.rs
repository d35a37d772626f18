use protocol::escape::excerpt;

use super::Line;
use crate::repl::catalogue::Verb;
use crate::repl::command::ParseError;

/// Lists everything below a folder.
pub(super) const ALL: &str = "--all";

/// Returns the options of a command.
const fn of(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Browse => &[ALL],
        Verb::Download => &["--link", "--executable", "--timeout"],
        _ => &[],
    }
}

/// Refuses options that the command does not have. In quotes they are ordinary words.
pub(super) fn check_options(line: &Line<'_>) -> Result<(), ParseError> {
    let looks_like_option = |text: &str| {
        text.strip_prefix("--")
            .is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic()))
    };
    if line.entry.verb == Verb::Register {
        // It has a way to end its options, and reads them by itself.
        return Ok(());
    }
    let known = of(line.entry.verb);
    let is_unknown = |text: &str| {
        looks_like_option(text) && !text.split('=').next().is_some_and(|name| known.contains(&name))
    };
    match line.words.iter().find(|word| !word.quoted && is_unknown(&word.text)) {
        Some(word) => Err(line.wrong(format!("unknown option {}", excerpt(&word.text)))),
        None => Ok(()),
    }
}
