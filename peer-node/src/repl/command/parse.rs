mod options;
mod register;
mod torrent;

use std::num::NonZeroU64;

use protocol::digest::Digest;
use protocol::escape::excerpt;
use protocol::query::Query;
use protocol::units::parse_size;

use super::{Browse, Chosen, Command, Direction, Item, Order, ParseError, Which};
use crate::download::Saving;
use crate::repl::catalogue::{Entry, Verb, find};
use crate::repl::numbers::Numbers;
use crate::repl::time_limit::time_limit;
use crate::repl::words::{Word, split};
use crate::transfers::Priority;
use options::check_options;
use register::register;
use torrent::torrent;

/// The fewest digits of a digest, with a letter among them, that are taken for its beginning.
pub(crate) const MIN_DIGITS: usize = 8;

/// Reads a line; nothing if it is blank or a comment.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, ParseError> {
    // Not the end: it may be an escaped space.
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let name = line.split(char::is_whitespace).next().unwrap_or_default();
    let entry = find(name).ok_or_else(|| ParseError::unknown(name))?;
    let rest = line.get(name.len()..).unwrap_or_default().trim_start();
    if entry.verb == Verb::Search {
        return search(rest).map(Some);
    }
    let words = split(rest)?;
    let line = Line { entry, name, words };
    check_options(&line)?;
    command(&line).map(Some)
}

/// Leaves the text to the search language, which has quotes of its own.
fn search(text: &str) -> Result<Command, ParseError> {
    let text = text.trim_end();
    if text == "--more" {
        return Ok(Command::More);
    }
    Query::parse_typed(text)?;
    Ok(Command::Search(text.to_owned()))
}

struct Line<'a> {
    entry: &'static Entry,
    name: &'a str,
    words: Vec<Word>,
}

impl Line<'_> {
    fn wrong(&self, problem: impl Into<String>) -> ParseError {
        ParseError::usage(self.entry, self.name, problem)
    }

    fn texts(&self) -> Vec<String> {
        self.words.iter().map(|word| word.text.clone()).collect()
    }

    fn at_least_one(&self, what: &str) -> Result<(), ParseError> {
        if self.words.is_empty() { Err(self.wrong(format!("{what} is missing"))) } else { Ok(()) }
    }

    /// Returns the only word, or nothing if there is none.
    fn at_most_one(&self) -> Result<Option<&Word>, ParseError> {
        match self.words.as_slice() {
            [] => Ok(None),
            [word] => Ok(Some(word)),
            [_, extra, ..] => Err(self.wrong(format!("unexpected argument: {}", excerpt(&extra.text)))),
        }
    }

    fn downloads(&self, words: &[Word]) -> Result<Vec<Which>, ParseError> {
        if words.is_empty() {
            return Err(self.wrong("a number is missing"));
        }
        let which = |word: &Word| match (digits(&word.text), Numbers::parse(&word.text)) {
            (Some(digits), _) => Ok(Which::Digits(digits)),
            (None, Some(numbers)) => Ok(Which::Numbers(numbers?)),
            (None, None) => Err(self.wrong(format!("{} is not a number", excerpt(&word.text)))),
        };
        words.iter().map(which).collect()
    }

    fn exactly_one(&self, what: &str) -> Result<&Word, ParseError> {
        self.at_most_one()?.ok_or_else(|| self.wrong(format!("{what} is missing")))
    }

    /// Returns the command if nothing stands behind its name.
    fn alone(&self, command: Command) -> Result<Command, ParseError> {
        match self.words.first() {
            None => Ok(command),
            Some(extra) => {
                let problem = format!("unexpected argument: {}", excerpt(&extra.text));
                Err(ParseError::Usage { problem, name: self.name.to_owned(), usage: "" })
            }
        }
    }
}

fn command(line: &Line<'_>) -> Result<Command, ParseError> {
    match line.entry.verb {
        Verb::Register => Ok(Command::Register(register(line)?)),
        Verb::Shares => Ok(Command::Shares(line.at_most_one()?.map(|word| word.text.clone()))),
        Verb::Unregister => {
            line.at_least_one("a path")?;
            Ok(Command::Unregister(line.texts()))
        }
        Verb::Sources => match item(line.exactly_one("a hit, a digest or a name")?)? {
            Item::Folder(_) => Err(line.wrong("a folder has no sources of its own")),
            item => Ok(Command::Sources(item)),
        },
        Verb::Browse => Ok(Command::Browse(browse(line)?)),
        Verb::Download => Ok(Command::Download(order(line)?)),
        Verb::Cancel => Ok(Command::Cancel(chosen(line)?)),
        Verb::Pause => Ok(Command::Pause(chosen(line)?)),
        Verb::Resume => Ok(Command::Resume(chosen(line)?)),
        Verb::Retry => Ok(Command::Retry(chosen(line)?)),
        Verb::Limit => Ok(Command::Limit(limit(line)?)),
        Verb::Torrent => Ok(Command::Torrent(torrent(line)?)),
        Verb::Priority => {
            let [numbers @ .., last] = line.words.as_slice() else {
                return Err(line.wrong("a number is missing"));
            };
            let Some(priority) = Priority::of_name(&last.text) else {
                return Err(line.wrong(format!("{} is not a priority", excerpt(&last.text))));
            };
            Ok(Command::Priority(line.downloads(numbers)?, priority))
        }
        Verb::Help => Ok(Command::Help(line.at_most_one()?.map(|word| word.text.clone()))),
        Verb::Files => line.alone(Command::Files),
        Verb::More => line.alone(Command::More),
        Verb::Transfers => transfers(line),
        Verb::Status => line.alone(Command::Status),
        Verb::Doctor => line.alone(Command::Doctor),
        Verb::Quit => line.alone(Command::Quit),
        // Read before, by its own language.
        Verb::Search => Ok(Command::Search(line.texts().join(" "))),
    }
}

fn chosen(line: &Line<'_>) -> Result<Chosen, ParseError> {
    match line.words.as_slice() {
        [only] if only.text == "all" => Ok(Chosen::All),
        words => Ok(Chosen::These(line.downloads(words)?)),
    }
}

fn transfers(line: &Line<'_>) -> Result<Command, ParseError> {
    match line.words.as_slice() {
        [] => Ok(Command::Transfers),
        [clear] if clear.text == "clear" => Ok(Command::ClearTransfers(Chosen::All)),
        [clear, all] if clear.text == "clear" && all.text == "all" => {
            Ok(Command::ClearTransfers(Chosen::All))
        }
        [clear, which @ ..] if clear.text == "clear" => {
            Ok(Command::ClearTransfers(Chosen::These(line.downloads(which)?)))
        }
        [other, ..] => Err(line.wrong(format!("unexpected argument: {}", excerpt(&other.text)))),
    }
}

fn browse(line: &Line<'_>) -> Result<Browse, ParseError> {
    let (options, words): (Vec<&Word>, Vec<&Word>) =
        line.words.iter().partition(|word| !word.quoted && word.text == options::ALL);
    let all = !options.is_empty();
    match words.as_slice() {
        [] => Err(line.wrong("a peer is missing")),
        [peer] => Ok(Browse { peer: peer.text.clone(), folder: None, all }),
        [peer, path] => {
            Ok(Browse { peer: peer.text.clone(), folder: Some(path.text.trim_matches('/').to_owned()), all })
        }
        [_, _, extra, ..] => Err(line.wrong(format!("unexpected argument: {}", excerpt(&extra.text)))),
    }
}

fn limit(line: &Line<'_>) -> Result<Option<(Direction, Option<NonZeroU64>)>, ParseError> {
    let (direction, rate) = match line.words.as_slice() {
        [] => return Ok(None),
        [direction, rate] => (direction, rate.text.trim_end_matches("/s")),
        [_] => return Err(line.wrong("a rate is missing")),
        [_, _, extra, ..] => return Err(line.wrong(format!("unexpected argument: {}", excerpt(&extra.text)))),
    };
    let direction = match direction.text.as_str() {
        "up" => Direction::Up,
        "down" => Direction::Down,
        other => return Err(line.wrong(format!("{} is neither up nor down", excerpt(other)))),
    };
    if rate == "off" {
        return Ok(Some((direction, None)));
    }
    let rate = NonZeroU64::new(parse_size(rate)?);
    let rate = rate.ok_or_else(|| line.wrong("with a rate of 0 nothing would pass; no limit is off"))?;
    Ok(Some((direction, Some(rate))))
}

fn order(line: &Line<'_>) -> Result<Order, ParseError> {
    let (saving, timeout) = (Saving::default(), None);
    let mut order =
        Order { items: Vec::new(), destination: None, from: None, saving, background: false, timeout };
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
                let path = words.next().ok_or_else(|| line.wrong("a path is missing behind as"))?;
                if order.destination.replace(path.text.clone()).is_some() {
                    return Err(line.wrong("there are two places to put it"));
                }
            }
            "from" if !word.quoted => {
                let peer = words.next().ok_or_else(|| line.wrong("a peer is missing behind from"))?;
                if order.from.replace(peer.text.clone()).is_some() {
                    return Err(line.wrong("there are two peers to fetch it from"));
                }
            }
            text if !word.quoted && (text == "--timeout" || text.starts_with("--timeout=")) => {
                let value = match text.strip_prefix("--timeout=") {
                    Some(value) => value,
                    None => words.next().map_or("", |word| word.text.as_str()),
                };
                let limit = time_limit(value).map_err(|error| line.wrong(error.to_string()))?;
                if order.timeout.replace(limit).is_some() {
                    return Err(line.wrong("there are two times to wait"));
                }
            }
            // As shells allow it: `get 1&`.
            text if !word.quoted && words.len() == 0 && is_numbers_and_ampersand(text) => {
                order.background = true;
                let text = text.trim_end_matches('&').to_owned();
                order.items.push(item(&Word { text, ..word.clone() })?);
            }
            _ => order.items.push(item(word)?),
        }
    }
    check(line, order)
}

fn is_numbers_and_ampersand(text: &str) -> bool {
    text.strip_suffix('&').is_some_and(|numbers| Numbers::parse(numbers).is_some())
}

/// Refuses what fits no single file or no folder.
fn check(line: &Line<'_>, order: Order) -> Result<Order, ParseError> {
    let is_folder = |item: &Item| matches!(item, Item::Folder(_));
    if order.items.is_empty() {
        return Err(line.wrong("what to fetch is missing"));
    }
    if order.destination.is_some() && (order.items.len() > 1 || order.items.iter().any(is_folder)) {
        return Err(line.wrong("only a single file can be given another place with as"));
    }
    if order.from.is_some() && !order.items.iter().all(is_folder) {
        return Err(line.wrong("only a folder, with a / at its end, is fetched from one peer"));
    }
    Ok(order)
}

fn item(word: &Word) -> Result<Item, ParseError> {
    if !word.quoted {
        if let Ok(digest) = word.text.parse::<Digest>() {
            return Ok(Item::Digest(digest));
        }
        if digits(&word.text).is_some() {
            return Ok(Item::Prefix(word.text.clone()));
        }
        if let Some(numbers) = Numbers::parse(&word.text) {
            return Ok(Item::Hits(numbers?));
        }
    }
    match word.text.strip_suffix('/').map(|folder| folder.trim_end_matches('/')) {
        Some(folder) if !folder.is_empty() => Ok(Item::Folder(folder.to_owned())),
        _ => Ok(Item::Name(word.text.clone())),
    }
}

/// Returns the first digits of a digest or an infohash in lower case, if a word is that. Numbers have fewer digits than
/// lists show of a digest.
fn digits(word: &str) -> Option<String> {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_letter = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_long = word.len() >= if has_letter { MIN_DIGITS } else { Digest::SHORT };
    (is_hex && is_long && word.len() <= 2 * size_of::<Digest>()).then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
