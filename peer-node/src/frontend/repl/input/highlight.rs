use crate::frontend::console::look::{Look, Style};
use crate::frontend::repl::command_table::{COMMANDS, Verb, find_command};
use crate::frontend::repl::words::{Word, scan};

/// Colours a command line: its name by whether the command exists, quoted words, and keywords such as `as`.
pub(super) fn highlight(line: &str, look: Look) -> String {
    let words = scan(line).words;
    let verb = words.first().and_then(|word| find_command(&word.text)).map(|entry| entry.verb);
    let mut coloured = String::with_capacity(line.len() + 32);
    let mut end = 0;
    for (at, word) in words.iter().enumerate() {
        coloured.push_str(line.get(end..word.span.start).unwrap_or_default());
        let text = line.get(word.span.clone()).unwrap_or_default();
        let style = if at == 0 { style_of_name(&word.text) } else { style_of_word(word, verb) };
        coloured.push_str(&look.paint(style, text));
        end = word.span.end;
    }
    coloured.push_str(line.get(end..).unwrap_or_default());
    coloured
}

fn style_of_name(name: &str) -> Style {
    let is_prefix = || COMMANDS.iter().flat_map(|entry| entry.names).any(|known| known.starts_with(name));
    if name.starts_with('#') {
        Style::Faint
    } else if find_command(name).is_some() {
        Style::Good
    } else if is_prefix() {
        Style::Plain
    } else {
        Style::Bad
    }
}

fn style_of_word(word: &Word, verb: Option<Verb>) -> Style {
    match (verb, word.text.as_str()) {
        _ if word.quoted => Style::Warning,
        (Some(Verb::Download), "as" | "from" | "&") => Style::Accent,
        _ => Style::Plain,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLOURFUL: Look = Look { colour: true, redraw: true };

    #[test]
    fn commands_are_green_and_mistakes_red() {
        assert_eq!(highlight("get 1 as x", COLOURFUL), "\u{1b}[32mget\u{1b}[0m 1 \u{1b}[36mas\u{1b}[0m x");
        assert_eq!(highlight("ge", COLOURFUL), "ge");
        assert_eq!(highlight("gett 'a", COLOURFUL), "\u{1b}[31mgett\u{1b}[0m \u{1b}[33m'a\u{1b}[0m");
    }

    proptest! {
        #[test]
        fn the_text_stays_the_same(line in any::<String>()) {
            prop_assert_eq!(highlight(&line, Look::PLAIN), line);
        }
    }
}
