use protocol::escape::excerpt;

use super::{Line, item};
use crate::repl::command::{Item, ParseError, TorrentOrder};
use crate::repl::words::Word;

/// Reads what stands behind `torrent`.
pub(super) fn torrent(line: &Line<'_>) -> Result<TorrentOrder, ParseError> {
    let (first, rest) = line.words.split_first().ok_or_else(|| line.wrong("add or create is missing"))?;
    match first.text.as_str() {
        "add" => add(line, rest),
        "create" => create(line, rest),
        other => Err(line.wrong(format!("{} is neither add nor create", excerpt(other)))),
    }
}

fn add(line: &Line<'_>, words: &[Word]) -> Result<TorrentOrder, ParseError> {
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
                    return Err(line.wrong(format!("unexpected argument: {}", excerpt(&word.text))));
                }
                continue;
            }
        };
        let value =
            words.next().ok_or_else(|| line.wrong(format!("something is missing behind {}", word.text)))?;
        *place = Some(value.text.clone());
    }
    let file = file.ok_or_else(|| line.wrong("the path of a .torrent is missing"))?;
    Ok(TorrentOrder::Add { file, only, folder, background })
}

fn create(line: &Line<'_>, words: &[Word]) -> Result<TorrentOrder, ParseError> {
    let (word, path) = match words {
        [word] => (word, None),
        [word, r#as, path] if r#as.text == "as" && !r#as.quoted => (word, Some(path.text.clone())),
        [] => return Err(line.wrong("a hit, a digest or a name is missing")),
        [_, extra, ..] => return Err(line.wrong(format!("unexpected argument: {}", excerpt(&extra.text)))),
    };
    match item(word)? {
        Item::Folder(_) => Err(line.wrong("only a single file can be made a torrent here")),
        item => Ok(TorrentOrder::Create { item, path }),
    }
}
