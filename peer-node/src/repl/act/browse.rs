mod level;

use std::net::SocketAddr;

use protocol::escape::display_safe;
use protocol::index::{FileRecord, PeerRef, Share};
use protocol::limits::MAX_LISTING;
use protocol::node_id::NodeId;
use protocol::units::Size;

use super::lookup::peer;
use super::pages::PERSONS_PAGE;
use crate::repl::command::Browse;
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::{Session, count};
use crate::repl::shown::{Entry, Next};
use crate::repl::table::{Column, lay_out};
use level::Level;

const TABLE: [Column; 5] = [
    Column::right("#", Style::Accent, 0),
    Column::path("name"),
    Column::right("size", Style::Plain, 1),
    Column::left("", Style::Warning, 2),
    Column::left("digest", Style::Faint, 3),
];

/// The most files that are read to show one level of a folder.
const MAX_READ: usize = 100_000;

/// Lists what one peer shares. A person is shown one level at a time, and so is a script that names a folder; `--all`, and
/// a script that names none, gets all files below it.
pub(super) async fn browse(session: &mut Session, order: &Browse) -> Result<(), Failure> {
    let asked = peer(session, &order.peer).await?;
    let is_flat = order.all || !session.output.is_for_person() && order.folder.is_none();
    let folder = order.folder.clone().filter(|folder| !folder.is_empty());
    if !is_flat {
        return level(session, asked, folder).await;
    }
    let (node, _, _) = session.node.index().browse(asked, None, 1).await?;
    session.peers.browse(node, address(asked));
    session.shown.begin();
    files(session, node, folder.clone(), None).await?;
    while !session.output.is_for_person()
        && let Some(Next::Files { after, .. }) = session.shown.next().cloned()
    {
        files(session, node, folder.clone(), Some(after)).await?;
    }
    if session.shown.rows().is_empty() { nothing(session, node, folder.as_deref()) } else { Ok(()) }
}

const fn address(peer: PeerRef) -> Option<SocketAddr> {
    match peer {
        PeerRef::Address(address) => Some(address),
        PeerRef::Node(_) => None,
    }
}

/// Says that a peer shares nothing, or nothing in a folder.
fn nothing(session: &mut Session, node: NodeId, folder: Option<&str>) -> Result<(), Failure> {
    let whose = session.peers.address_of(node).map_or_else(|| node.short(), |address| address.to_string());
    match folder {
        Some(folder) => Err(Failure::not_found(&format!("{folder}/ at {whose}"))),
        None => Ok(session.output.remark(format!("{whose} shares nothing"))?),
    }
}

/// Shows a page of all files below a folder.
pub(super) async fn files(
    session: &mut Session,
    node: NodeId,
    folder: Option<String>,
    after: Option<String>,
) -> Result<(), Failure> {
    let limit = if session.output.is_for_person() { PERSONS_PAGE } else { MAX_LISTING };
    let below = folder.as_ref().map(|folder| format!("{folder}/"));
    let after = after.or_else(|| below.clone());
    let (node, mut files, more) = session.node.index().browse(PeerRef::Node(node), after, limit).await?;
    let told = files.len();
    files.retain(|file| below.as_ref().is_none_or(|below| file.path.starts_with(below)));
    let last = files.last().map(|file| file.path.clone()).filter(|_| more && files.len() == told);
    let next = last.map(|after| Next::Files { peer: node, folder, after });
    let has_more = next.is_some();
    let files: Vec<Entry> = files.into_iter().map(Entry::File).collect();
    show(session, node, &files, next, Names::Paths)?;
    if has_more && session.output.is_for_person() {
        session.output.remark("`more` shows the next files")?;
    }
    Ok(())
}

/// Shows what lies directly in a folder.
async fn level(session: &mut Session, asked: PeerRef, folder: Option<String>) -> Result<(), Failure> {
    let mut level = Level::of(folder.as_deref());
    let (mut whose, mut read, mut bytes) = (asked, 0, 0_u64);
    let mut after = folder.as_ref().map(|folder| format!("{folder}/"));
    let (node, is_cut) = loop {
        let (node, page, more) = session.node.index().browse(whose, after, MAX_LISTING).await?;
        // The same node for all pages, whoever comes to listen at its address.
        whose = PeerRef::Node(node);
        after = page.last().map(|file| file.path.clone());
        for file in page {
            let size = file.size;
            if !level.add(file) {
                after = None;
                break;
            }
            (read, bytes) = (read + 1, bytes.saturating_add(size));
        }
        if !more || after.is_none() || read >= MAX_READ {
            break (node, more && after.is_some());
        }
    };
    session.peers.browse(node, address(asked));
    if read == 0 {
        return nothing(session, node, folder.as_deref());
    }
    session.shown.begin();
    entries(session, node, level.entries())?;
    session.output.remark(format!("{}, {} in all", count(read as u64, "file"), Size(bytes)))?;
    if is_cut {
        session.output.warning(format!("only the first {read} files were read; browse one of the folders"));
    }
    Ok(())
}

/// Shows entries of a folder behind those that are shown: a page to a person, all to a script.
pub(super) fn entries(session: &mut Session, peer: NodeId, mut entries: Vec<Entry>) -> Result<(), Failure> {
    let size = if session.output.is_for_person() { PERSONS_PAGE.into() } else { entries.len() };
    let rest = entries.split_off(size.min(entries.len()));
    let left = rest.len();
    let next = (left > 0).then_some(Next::Entries { peer, rest });
    show(session, peer, &entries, next, Names::Last)?;
    if left > 0 {
        session.output.remark(format!("{left} more; `more` shows the next ones"))?;
    }
    Ok(())
}

/// How much of a path a person is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// All of it.
    Paths,
    /// The last component.
    Last,
}

fn show(
    session: &mut Session,
    peer: NodeId,
    entries: &[Entry],
    next: Option<Next>,
    names: Names,
) -> Result<(), Failure> {
    let first = session.shown.extend(entries.iter().map(|entry| entry.row(peer)).collect(), next);
    let numbered = (first..).zip(entries);
    if session.output.is_for_person() {
        let rows: Vec<_> = numbered.map(|(number, entry)| row(number, entry, names)).collect();
        let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
        return Ok(session.output.lines(lines)?);
    }
    Ok(session.output.lines(numbered.map(|(number, entry)| line(number, entry)))?)
}

fn line(number: usize, entry: &Entry) -> String {
    match entry {
        Entry::Folder { path, files, bytes } => {
            format!("{number}\t{}/\t{bytes}\t{}", display_safe(path), count(*files, "file"))
        }
        Entry::File(file) => {
            format!("{number}\t{}\t{}\t{}", display_safe(&file.path), file.size, file.digest)
        }
    }
}

fn row(number: usize, entry: &Entry, names: Names) -> [String; 5] {
    let name = |path: &str| match names {
        Names::Paths => display_safe(path).into_owned(),
        Names::Last => display_safe(path.rsplit('/').next().unwrap_or(path)).into_owned(),
    };
    match entry {
        Entry::Folder { path, files, bytes } => {
            let (size, files) = (Size(*bytes).to_string(), count(*files, "file"));
            [number.to_string(), format!("{}/", name(path)), size, files, String::new()]
        }
        Entry::File(FileRecord { path, size, digest, share }) => {
            let share = if *share == Share::Partial { "in part" } else { "" };
            let size = Size(*size).to_string();
            [number.to_string(), name(path), size, share.to_owned(), digest.short()]
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    #[test]
    fn folders_and_files_are_rows_alike() {
        let folder = Entry::Folder { path: "music/live".into(), files: 12, bytes: 2048 };
        assert_eq!(row(1, &folder, Names::Last), ["1", "live/", "2.0 KiB", "12 files", ""]);
        assert_eq!(line(1, &folder), "1\tmusic/live/\t2048\t12 files");
        let digest = Digest::OF_NOTHING;
        let file = Entry::File(FileRecord { path: "music/a".into(), size: 0, digest, share: Share::Partial });
        assert_eq!(row(2, &file, Names::Last), ["2", "a", "0 B", "in part", "e3b0c44298fc"]);
        assert_eq!(row(2, &file, Names::Paths)[1], "music/a");
        assert_eq!(line(2, &file), format!("2\tmusic/a\t0\t{digest}"));
    }
}
