//! Parses a line into a command.
//!
//! This is no work for an argument parser of programs such as `clap`, which receives words without their quotes: here a quoted
//! word is a name, never an option, keyword, number or digest. Keywords (`as`, `from`, `only`, `&`) stand between names; a name may
//! begin with one dash while an unknown `--option` is refused; and a query is passed on as typed.

mod options;
mod register;
mod torrent;

use std::num::NonZeroU64;

use protocol::digest::Digest;
use protocol::escape::excerpt;
use protocol::query::Query;
use protocol::units::parse_size;

use super::{
    BrowseArgs, ContentSelector, DownloadArgs, DownloadRef, DownloadSelector, LimitChange, ParseError,
    ReplCommand,
};
use crate::frontend::repl::command_table::{CommandInfo, Verb, find_command};
use crate::frontend::repl::number_ranges::NumberRanges;
use crate::frontend::repl::words::{Word, split};
use crate::frontend::time_limit::parse_time_limit;
use crate::operations::SaveOptions;
use crate::view::Priority;
use options::check_options;
use register::parse_register;
use torrent::parse_torrent;

/// The minimum length of a digest prefix that contains a letter; an all-digit prefix needs [`Digest::SHORT_LEN`] digits.
pub(crate) const MIN_DIGITS: usize = 8;

/// The maximum number of upload slots; the connections limit the number of peers further.
const MAX_UPLOAD_SLOTS: usize = 10_000;

/// Parses a line; `None` if it is blank or a comment.
pub(crate) fn parse(line: &str) -> Result<Option<ReplCommand>, ParseError> {
    // Only the start is trimmed: the end may be an escaped space.
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let name = line.split(char::is_whitespace).next().unwrap_or_default();
    let entry = find_command(name).ok_or_else(|| ParseError::unknown(name))?;
    let rest = line.get(name.len()..).unwrap_or_default().trim_start();
    if entry.verb == Verb::Search {
        return parse_search(rest).map(Some);
    }
    let words = split(rest)?;
    let line = CommandLine { entry, name, words };
    check_options(&line)?;
    parse_words(&line).map(Some)
}

/// Checks a query but keeps its text: the query language has its own quotes.
fn parse_search(text: &str) -> Result<ReplCommand, ParseError> {
    let text = text.trim_end();
    if text == "--more" {
        return Ok(ReplCommand::More);
    }
    Query::parse_typed(text)?;
    Ok(ReplCommand::Search(text.to_owned()))
}

struct CommandLine<'a> {
    entry: &'static CommandInfo,
    name: &'a str,
    words: Vec<Word>,
}

impl CommandLine<'_> {
    fn usage_error(&self, problem: impl Into<String>) -> ParseError {
        ParseError::usage(self.entry, self.name, problem)
    }

    fn texts(&self) -> Vec<String> {
        self.words.iter().map(|word| word.text.clone()).collect()
    }

    fn at_least_one(&self, what: &str) -> Result<(), ParseError> {
        if self.words.is_empty() { Err(self.usage_error(format!("{what} is missing"))) } else { Ok(()) }
    }

    /// Returns the only argument; `None` if there is none.
    fn at_most_one(&self) -> Result<Option<&Word>, ParseError> {
        match self.words.as_slice() {
            [] => Ok(None),
            [word] => Ok(Some(word)),
            [_, extra, ..] => Err(self.usage_error(format!("unexpected argument: {}", excerpt(&extra.text)))),
        }
    }

    fn downloads(&self, words: &[Word]) -> Result<Vec<DownloadRef>, ParseError> {
        if words.is_empty() {
            return Err(self.usage_error("a number is missing"));
        }
        let which = |word: &Word| match (digest_prefix(&word.text), NumberRanges::parse(&word.text)) {
            (Some(digits), _) => Ok(DownloadRef::Digits(digits)),
            (None, Some(numbers)) => Ok(DownloadRef::Numbers(numbers?)),
            (None, None) => Err(self.usage_error(format!("{} is not a number", excerpt(&word.text)))),
        };
        words.iter().map(which).collect()
    }

    fn exactly_one(&self, what: &str) -> Result<&Word, ParseError> {
        self.at_most_one()?.ok_or_else(|| self.usage_error(format!("{what} is missing")))
    }

    /// Returns the command; an error if it has arguments.
    fn without_arguments(&self, command: ReplCommand) -> Result<ReplCommand, ParseError> {
        match self.words.first() {
            None => Ok(command),
            Some(extra) => {
                let problem = format!("unexpected argument: {}", excerpt(&extra.text));
                Err(ParseError::Usage { problem, name: self.name.to_owned(), usage: "" })
            }
        }
    }
}

fn parse_words(line: &CommandLine<'_>) -> Result<ReplCommand, ParseError> {
    match line.entry.verb {
        Verb::Register => Ok(ReplCommand::Register(parse_register(line)?)),
        Verb::Shares => Ok(ReplCommand::Shares(line.at_most_one()?.map(|word| word.text.clone()))),
        Verb::Unregister => {
            line.at_least_one("a path")?;
            Ok(ReplCommand::Unregister(line.texts()))
        }
        Verb::Sources => match parse_content_selector(line.exactly_one("a hit, a digest or a name")?)? {
            ContentSelector::Folder(_) => Err(line.usage_error("a folder has no sources of its own")),
            item => Ok(ReplCommand::Sources(item)),
        },
        Verb::Browse => Ok(ReplCommand::Browse(parse_browse(line)?)),
        Verb::Download => Ok(ReplCommand::Download(parse_download(line)?)),
        Verb::Cancel => Ok(ReplCommand::Cancel(parse_selector(line)?)),
        Verb::Pause => Ok(ReplCommand::Pause(parse_selector(line)?)),
        Verb::Resume => Ok(ReplCommand::Resume(parse_selector(line)?)),
        Verb::Retry => Ok(ReplCommand::Retry(parse_selector(line)?)),
        Verb::Limit => Ok(ReplCommand::Limit(parse_limit(line)?)),
        Verb::Torrent => Ok(ReplCommand::Torrent(parse_torrent(line)?)),
        Verb::Priority => {
            let [numbers @ .., last] = line.words.as_slice() else {
                return Err(line.usage_error("a number is missing"));
            };
            let Some(priority) = Priority::from_name(&last.text) else {
                return Err(line.usage_error(format!("{} is not a priority", excerpt(&last.text))));
            };
            Ok(ReplCommand::Priority(line.downloads(numbers)?, priority))
        }
        Verb::Help => Ok(ReplCommand::Help(line.at_most_one()?.map(|word| word.text.clone()))),
        Verb::Files => line.without_arguments(ReplCommand::Files),
        Verb::More => line.without_arguments(ReplCommand::More),
        Verb::Transfers => parse_transfers(line),
        Verb::Status => line.without_arguments(ReplCommand::Status),
        Verb::Doctor => line.without_arguments(ReplCommand::Doctor),
        Verb::Quit => line.without_arguments(ReplCommand::Quit),
        // Unreachable: `parse` handles searches itself.
        Verb::Search => Ok(ReplCommand::Search(line.texts().join(" "))),
    }
}

fn parse_selector(line: &CommandLine<'_>) -> Result<DownloadSelector, ParseError> {
    match line.words.as_slice() {
        [only] if only.text == "all" => Ok(DownloadSelector::All),
        words => Ok(DownloadSelector::These(line.downloads(words)?)),
    }
}

fn parse_transfers(line: &CommandLine<'_>) -> Result<ReplCommand, ParseError> {
    match line.words.as_slice() {
        [] => Ok(ReplCommand::Transfers),
        [clear] if clear.text == "clear" => Ok(ReplCommand::ClearTransfers(DownloadSelector::All)),
        [clear, all] if clear.text == "clear" && all.text == "all" => {
            Ok(ReplCommand::ClearTransfers(DownloadSelector::All))
        }
        [clear, which @ ..] if clear.text == "clear" => {
            Ok(ReplCommand::ClearTransfers(DownloadSelector::These(line.downloads(which)?)))
        }
        [other, ..] => Err(line.usage_error(format!("unexpected argument: {}", excerpt(&other.text)))),
    }
}

fn parse_browse(line: &CommandLine<'_>) -> Result<BrowseArgs, ParseError> {
    let (options, words): (Vec<&Word>, Vec<&Word>) =
        line.words.iter().partition(|word| !word.quoted && word.text == options::ALL);
    let all = !options.is_empty();
    match words.as_slice() {
        [] => Err(line.usage_error("a peer is missing")),
        [peer] => Ok(BrowseArgs { peer: peer.text.clone(), folder: None, all }),
        [peer, path] => Ok(BrowseArgs {
            peer: peer.text.clone(),
            folder: Some(path.text.trim_matches('/').to_owned()),
            all,
        }),
        [_, _, extra, ..] => Err(line.usage_error(format!("unexpected argument: {}", excerpt(&extra.text)))),
    }
}

fn parse_limit(line: &CommandLine<'_>) -> Result<Option<LimitChange>, ParseError> {
    let (limit, value) = match line.words.as_slice() {
        [] => return Ok(None),
        [limit, value] => (limit.text.as_str(), value.text.as_str()),
        [_] => return Err(line.usage_error("a value is missing")),
        [_, _, extra, ..] => {
            return Err(line.usage_error(format!("unexpected argument: {}", excerpt(&extra.text))));
        }
    };
    let change = match limit {
        "up" => LimitChange::Up(parse_rate(line, value)?),
        "down" => LimitChange::Down(parse_rate(line, value)?),
        "peer" => LimitChange::Peer(parse_rate(line, value)?),
        "slots" => {
            let slots = value.parse().ok().filter(|slots| *slots <= MAX_UPLOAD_SLOTS);
            let error =
                || line.usage_error(format!("expected a number of slots from 0 to {MAX_UPLOAD_SLOTS}"));
            LimitChange::Slots(slots.ok_or_else(error)?)
        }
        other => {
            let text = format!("{} is none of up, down, peer and slots", excerpt(other));
            return Err(line.usage_error(text));
        }
    };
    Ok(Some(change))
}

/// Parses a rate in bytes/s; `off` is no limit.
fn parse_rate(line: &CommandLine<'_>, text: &str) -> Result<Option<NonZeroU64>, ParseError> {
    if text == "off" {
        return Ok(None);
    }
    let rate = NonZeroU64::new(parse_size(text.trim_end_matches("/s"))?);
    let error = || line.usage_error("a rate of 0 would block all transfers; use off for no limit");
    Ok(Some(rate.ok_or_else(error)?))
}

fn parse_download(line: &CommandLine<'_>) -> Result<DownloadArgs, ParseError> {
    let (saving, timeout) = (SaveOptions::default(), None);
    let mut order =
        DownloadArgs { items: Vec::new(), destination: None, from: None, saving, background: false, timeout };
    let mut words = line.words.as_slice();
    if let [before @ .., last] = words
        && !last.quoted
        && last.text == "&"
    {
        order.background = true;
        words = before;
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "--link" if !word.quoted => order.saving.link = true,
            "--executable" if !word.quoted => order.saving.executable = true,
            "as" if !word.quoted => {
                let path = words.next().ok_or_else(|| line.usage_error("a path is missing after as"))?;
                if order.destination.replace(path.text.clone()).is_some() {
                    return Err(line.usage_error("as is given twice"));
                }
            }
            "from" if !word.quoted => {
                let peer = words.next().ok_or_else(|| line.usage_error("a peer is missing after from"))?;
                if order.from.replace(peer.text.clone()).is_some() {
                    return Err(line.usage_error("from is given twice"));
                }
            }
            text if !word.quoted && (text == "--timeout" || text.starts_with("--timeout=")) => {
                let value = match text.strip_prefix("--timeout=") {
                    Some(value) => value,
                    None => words.next().map_or("", |word| word.text.as_str()),
                };
                let limit = parse_time_limit(value).map_err(|error| line.usage_error(error.to_string()))?;
                if order.timeout.replace(limit).is_some() {
                    return Err(line.usage_error("--timeout is given twice"));
                }
            }
            // As in shells, the space before `&` is optional: `get 1&`.
            text if !word.quoted && words.len() == 0 && is_numbers_and_ampersand(text) => {
                order.background = true;
                let text = text.trim_end_matches('&').to_owned();
                order.items.push(parse_content_selector(&Word { text, ..word.clone() })?);
            }
            _ => order.items.push(parse_content_selector(word)?),
        }
    }
    check_download(line, order)
}

fn is_numbers_and_ampersand(text: &str) -> bool {
    text.strip_suffix('&').is_some_and(|numbers| NumberRanges::parse(numbers).is_some())
}

/// Refuses `as` for anything but a single file, and `from` for anything but folders.
fn check_download(line: &CommandLine<'_>, order: DownloadArgs) -> Result<DownloadArgs, ParseError> {
    let is_folder = |item: &ContentSelector| matches!(item, ContentSelector::Folder(_));
    if order.items.is_empty() {
        return Err(line.usage_error("a hit, a digest or a name is missing"));
    }
    if order.destination.is_some() && (order.items.len() > 1 || order.items.iter().any(is_folder)) {
        return Err(line.usage_error("only a single file can have a destination (as PATH)"));
    }
    if order.from.is_some() && !order.items.iter().all(is_folder) {
        return Err(line.usage_error("only a folder (with a trailing /) can be downloaded from one peer"));
    }
    Ok(order)
}

fn parse_content_selector(word: &Word) -> Result<ContentSelector, ParseError> {
    if !word.quoted {
        if let Ok(digest) = word.text.parse::<Digest>() {
            return Ok(ContentSelector::Digest(digest));
        }
        if digest_prefix(&word.text).is_some() {
            return Ok(ContentSelector::Prefix(word.text.clone()));
        }
        if let Some(numbers) = NumberRanges::parse(&word.text) {
            return Ok(ContentSelector::Hits(numbers?));
        }
    }
    match word.text.strip_suffix('/').map(|folder| folder.trim_end_matches('/')) {
        Some(folder) if !folder.is_empty() => Ok(ContentSelector::Folder(folder.to_owned())),
        _ => Ok(ContentSelector::Name(word.text.clone())),
    }
}

/// Returns a prefix of a digest or infohash in lower case, if a word looks like one. A word of digits only counts as a number
/// unless it is as long as a short digest.
fn digest_prefix(word: &str) -> Option<String> {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_letter = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_long = word.len() >= if has_letter { MIN_DIGITS } else { Digest::SHORT_LEN };
    (is_hex && is_long && word.len() <= 2 * size_of::<Digest>()).then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
