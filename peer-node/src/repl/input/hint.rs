use crate::repl::catalogue::{CATALOGUE, find};

/// What stands greyed behind the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) shown: String,
    /// Whether the arrow key to the right puts it into the line.
    pub(super) can_be_taken: bool,
}

/// Returns the rest of a command's name, or what belongs behind it.
pub(super) fn hint(line: &str) -> Option<Hint> {
    let name = line.trim_start();
    if let Some(entry) = find(name.trim_end()) {
        let gap = if name.ends_with(char::is_whitespace) { "" } else { " " };
        return (!entry.usage.is_empty())
            .then(|| Hint { shown: format!("{gap}{}", entry.usage), can_be_taken: false });
    }
    let mut names =
        CATALOGUE.iter().flat_map(|entry| entry.names).filter_map(|known| known.strip_prefix(name));
    let rest = names.next().filter(|rest| !name.is_empty() && !rest.is_empty())?;
    names.next().is_none().then(|| Hint { shown: rest.to_owned(), can_be_taken: true })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(line: &str) -> Option<(String, bool)> {
        hint(line).map(|hint| (hint.shown, hint.can_be_taken))
    }

    #[test]
    fn names_are_completed_and_usages_shown() {
        assert_eq!(shown("dow"), Some(("nload".into(), true)));
        assert_eq!(shown("browse"), Some((" PEER [FOLDER] | PEER [FOLDER] --all".into(), false)));
        assert_eq!(shown("cancel "), Some(("N… | all".into(), false)));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_certain() {
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
