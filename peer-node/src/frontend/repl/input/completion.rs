//! Tab completion. Pure, except for the listing of local folders.

mod paths;

use std::path::PathBuf;

use super::completion_data::CompletionData;
use crate::frontend::console::text_width::truncate;
use crate::frontend::repl::command_table::{COMMANDS, Verb, find_command};
use crate::frontend::repl::words::{Word, escape, scan};
use crate::operations::SafeName;
use crate::view::Priority;
use paths::paths;

/// The maximum number of candidates; the line editor counts them in 16 bits.
const MAX_COMPLETIONS: usize = 1000;

/// The maximum width of a displayed candidate, in columns.
const MAX_WIDTH: usize = 70;

/// A completion candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CompletionItem {
    /// The displayed text.
    pub(super) label: String,
    /// The text that replaces the word under the cursor.
    pub(super) replacement: String,
}

/// The bases of relative paths.
#[derive(Debug, Clone, Default)]
pub(super) struct PathBases {
    /// The folder for `~`.
    pub(super) home: Option<PathBuf>,
    /// The base of relative paths after `as`.
    pub(super) share_dir: PathBuf,
}

/// Returns the start of the last typed word, and its candidates.
pub(super) fn complete(
    typed: &str,
    data: &CompletionData,
    folders: &PathBases,
) -> (usize, Vec<CompletionItem>) {
    let scanned = scan(typed);
    let mut words = scanned.words;
    let is_in_word =
        scanned.open_quote.is_some() || words.last().is_some_and(|word| word.span.end == typed.len());
    let word = if is_in_word { words.pop() } else { None };
    let word = word.unwrap_or(Word { text: String::new(), quoted: false, span: typed.len()..typed.len() });
    let mut items = match words.first() {
        None => command_names(&word.text),
        Some(name) => match find_command(&name.text) {
            Some(entry) => arguments(entry.verb, &words, &word, data, folders),
            None => Vec::new(),
        },
    };
    items.truncate(MAX_COMPLETIONS);
    (word.span.start, items)
}

fn arguments(
    verb: Verb,
    words: &[Word],
    word: &Word,
    data: &CompletionData,
    folders: &PathBases,
) -> Vec<CompletionItem> {
    let before = words.last().filter(|before| !before.quoted).map(|before| before.text.as_str());
    match (verb, before) {
        (Verb::Register, before) if before != Some("--exclude") && word.text.starts_with("--") => {
            keywords(&word.text, &["--exclude", "--yes"])
        }
        (Verb::Register | Verb::Unregister | Verb::Shares, _) => paths(&word.text, None, folders),
        (Verb::Download, Some("as")) => paths(&word.text, Some(&folders.share_dir), folders),
        (Verb::Download, Some("from")) | (Verb::Browse, _) => peers(&word.text, data),
        (Verb::Download | Verb::Sources, _) => hits(word, data),
        (Verb::Cancel, _) => downloads(&word.text, data),
        (Verb::Pause | Verb::Resume | Verb::Retry, _) => {
            [downloads(&word.text, data), keywords(&word.text, &["all"])].concat()
        }
        (Verb::Priority, _) if words.len() < 2 => downloads(&word.text, data),
        (Verb::Priority, _) => {
            [keywords(&word.text, &Priority::ALL.map(Priority::name)), downloads(&word.text, data)].concat()
        }
        (Verb::Limit, _) if words.len() < 2 => keywords(&word.text, &["up", "down"]),
        (Verb::Limit, _) => keywords(&word.text, &["off"]),
        (Verb::Help, _) => command_names(&word.text),
        _ => Vec::new(),
    }
}

fn command_names(prefix: &str) -> Vec<CompletionItem> {
    let names = COMMANDS.iter().flat_map(|entry| entry.names.iter().copied());
    let mut names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| CompletionItem { label: name.to_owned(), replacement: format!("{name} ") })
        .collect()
}

/// Returns hits by number if the word is empty or a number, otherwise by file name.
fn hits(word: &Word, data: &CompletionData) -> Vec<CompletionItem> {
    let prefix = word.text.as_str();
    if !word.quoted && prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        let numbered = (1_usize..).zip(&data.hits).map(|(number, path)| (number.to_string(), path));
        return numbered.filter(|(number, _)| number.starts_with(prefix)).map(numbered_item).collect();
    }
    // The path of a folder ends in a slash.
    let files = data.hits.iter().filter(|path| !path.shown().ends_with('/'));
    let mut names: Vec<SafeName> = files.map(SafeName::file_name).collect();
    names.sort_unstable();
    names.dedup();
    let item = |name: &str| CompletionItem {
        label: truncate(name, MAX_WIDTH),
        replacement: format!("{} ", escape(name)),
    };
    let typeable = names.iter().filter_map(SafeName::typeable);
    typeable.filter(|name| name.starts_with(prefix)).map(item).collect()
}

fn downloads(prefix: &str, data: &CompletionData) -> Vec<CompletionItem> {
    let numbered = data.downloads.iter().map(|(number, name)| (number.to_string(), name));
    numbered.filter(|(number, _)| number.starts_with(prefix)).map(numbered_item).collect()
}

fn keywords(prefix: &str, words: &[&str]) -> Vec<CompletionItem> {
    let matching = words.iter().filter(|word| word.starts_with(prefix));
    matching
        .map(|word| CompletionItem { label: (*word).to_owned(), replacement: format!("{word} ") })
        .collect()
}

fn numbered_item((number, name): (String, &SafeName)) -> CompletionItem {
    let shown = truncate(&format!("{number}  {name}"), MAX_WIDTH);
    CompletionItem { label: shown, replacement: format!("{number} ") }
}

fn peers(prefix: &str, data: &CompletionData) -> Vec<CompletionItem> {
    let matching = data.peers.iter().filter(|peer| peer.starts_with(prefix));
    matching.map(|peer| CompletionItem { label: peer.clone(), replacement: format!("{peer} ") }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data() -> CompletionData {
        CompletionData {
            hits: vec!["music/my song.mp3".into(), "debian.iso".into(), "evil\u{1b}[2J.iso".into()],
            peers: vec!["127.0.0.1:40001".into(), "127.0.0.1:40002".into()],
            downloads: vec![(4, "debian.iso".into())],
        }
    }

    fn offered(typed: &str) -> (usize, Vec<String>) {
        let (start, items) = complete(typed, &data(), &PathBases::default());
        (start, items.into_iter().map(|item| item.replacement).collect())
    }

    #[test]
    fn names_of_commands_are_offered() {
        assert_eq!(offered("se"), (0, vec!["search ".into()]));
        assert_eq!(offered("help st"), (5, vec!["status ".into()]));
        let names: usize = COMMANDS.iter().map(|entry| entry.names.len()).sum();
        assert_eq!(offered("").1.len(), names);
        assert_eq!(offered("xyz "), (4, vec![]));
    }

    #[test]
    fn hits_are_offered_by_number_or_by_name() {
        assert_eq!(offered("get "), (4, vec!["1 ".into(), "2 ".into(), "3 ".into()]));
        assert_eq!(offered("get 1 2"), (6, vec!["2 ".into()]));
        assert_eq!(offered("get my"), (4, vec!["my\\ song.mp3 ".into()]));
        assert_eq!(offered("get \"my so"), (4, vec!["my\\ song.mp3 ".into()]));
        assert_eq!(offered("sources ev"), (8, vec![]));
    }

    #[test]
    fn displayed_items_are_escaped() {
        let (_, items) = complete("get ", &data(), &PathBases::default());
        assert_eq!(items[2].label, "3  evil\\u{1b}[2J.iso");
    }

    #[test]
    fn peers_and_downloads_are_offered_where_they_belong() {
        assert_eq!(offered("browse 127.0.0.1:40002"), (7, vec!["127.0.0.1:40002 ".into()]));
        assert_eq!(offered("get music/ from ").1.len(), 2);
        assert_eq!(offered("cancel "), (7, vec!["4 ".into()]));
        assert_eq!(offered("pause "), (6, vec!["4 ".into(), "all ".into()]));
        assert_eq!(offered("priority 4 l"), (11, vec!["low ".into()]));
        assert_eq!(offered("priority "), (9, vec!["4 ".into()]));
    }

    proptest! {
        #[test]
        fn no_line_panics_and_the_start_lies_in_it(typed in any::<String>(), near in "(get|register|help) [a-z0-9\"' \\\\]{0,20}") {
            for typed in [typed, near] {
                prop_assert!(typed.get(offered(&typed).0..).is_some());
            }
        }
    }
}
