use protocol::escape::excerpt;

use super::{CommandLine, parse_content_selector};
use crate::frontend::repl::command::{ContentSelector, ParseError, TorrentAction};
use crate::frontend::repl::words::Word;

/// Parses the arguments of `torrent`.
pub(super) fn parse_torrent(line: &CommandLine<'_>) -> Result<TorrentAction, ParseError> {
    let (first, rest) =
        line.words.split_first().ok_or_else(|| line.usage_error("add or create is missing"))?;
    match first.text.as_str() {
        "add" => parse_add(line, rest),
        "create" => parse_create(line, rest),
        other => Err(line.usage_error(format!("{} is neither add nor create", excerpt(other)))),
    }
}

fn parse_add(line: &CommandLine<'_>, words: &[Word]) -> Result<TorrentAction, ParseError> {
    let (words, background) = match words {
        [before @ .., last] if !last.quoted && last.text == "&" => (before, true),
        all => (all, false),
    };
    let (mut file, mut only, mut folder) = (None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let place = match word.text.as_str() {
            "only" if !word.quoted => &mut only,
            "as" if !word.quoted => &mut folder,
            _ => {
                if file.replace(word.text.clone()).is_some() {
                    return Err(line.usage_error(format!("unexpected argument: {}", excerpt(&word.text))));
                }
                continue;
            }
        };
        let value = words
            .next()
            .ok_or_else(|| line.usage_error(format!("something is missing behind {}", word.text)))?;
        *place = Some(value.text.clone());
    }
    let file = file.ok_or_else(|| line.usage_error("the path of a .torrent is missing"))?;
    Ok(TorrentAction::Add { file, only, folder, background })
}

fn parse_create(line: &CommandLine<'_>, words: &[Word]) -> Result<TorrentAction, ParseError> {
    let (word, path) = match words {
        [word] => (word, None),
        [word, r#as, path] if r#as.text == "as" && !r#as.quoted => (word, Some(path.text.clone())),
        [] => return Err(line.usage_error("a hit, a digest or a name is missing")),
        [_, extra, ..] => {
            return Err(line.usage_error(format!("unexpected argument: {}", excerpt(&extra.text))));
        }
    };
    match parse_content_selector(word)? {
        ContentSelector::Folder(_) => Err(line.usage_error("only a single file can become a torrent")),
        item => Ok(TorrentAction::Create { item, path }),
    }
}
