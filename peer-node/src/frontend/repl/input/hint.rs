use crate::frontend::repl::command_table::{COMMANDS, find_command};

/// The greyed text after the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputHint {
    pub(super) text: String,
    /// Whether the right arrow key accepts the text.
    pub(super) is_completable: bool,
}

/// Returns the rest of a command's name if only one matches, or the usage of a complete name.
pub(super) fn hint(line: &str) -> Option<InputHint> {
    let name = line.trim_start();
    if let Some(entry) = find_command(name.trim_end()) {
        let gap = if name.ends_with(char::is_whitespace) { "" } else { " " };
        return (!entry.usage.is_empty())
            .then(|| InputHint { text: format!("{gap}{}", entry.usage), is_completable: false });
    }
    let mut names =
        COMMANDS.iter().flat_map(|entry| entry.names).filter_map(|known| known.strip_prefix(name));
    let rest = names.next().filter(|rest| !name.is_empty() && !rest.is_empty())?;
    names.next().is_none().then(|| InputHint { text: rest.to_owned(), is_completable: true })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(line: &str) -> Option<(String, bool)> {
        hint(line).map(|hint| (hint.text, hint.is_completable))
    }

    #[test]
    fn names_are_completed_and_usages_shown() {
        assert_eq!(shown("dow"), Some(("nload".into(), true)));
        assert_eq!(shown("browse"), Some((" PEER [FOLDER] | PEER [FOLDER] --all".into(), false)));
        assert_eq!(shown("cancel "), Some(("N… | all".into(), false)));
    }

    #[test]
    fn no_hint_when_ambiguous() {
        for line in ["", "s", "files", "xyz", "browse 1", "cancel  x"] {
            assert_eq!(shown(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>()) {
            let _ = hint(&line);
        }
    }
}
