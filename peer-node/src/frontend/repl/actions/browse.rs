mod folder_level;

use std::net::SocketAddr;

use protocol::escape::display_safe;
use protocol::index::{FileRecord, PeerRef, Share};
use protocol::limits::MAX_LISTING;
use protocol::node_id::NodeId;
use protocol::units::DisplaySize;

use super::lookup::find_peer;
use super::pages::ROWS_PER_PAGE;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command::BrowseArgs;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::{FolderEntry, NextPage};
use crate::frontend::repl::session::{ReplSession, pluralize};
use folder_level::FolderLevel;

const TABLE: [TableColumn; 5] = [
    TableColumn::right("#", Style::Accent, 0),
    TableColumn::path("name"),
    TableColumn::right("size", Style::Plain, 1),
    TableColumn::left("", Style::Warning, 2),
    TableColumn::left("digest", Style::Faint, 3),
];

/// The maximum number of files read to show one level of a folder.
const MAX_READ: usize = 100_000;

/// Lists what one peer shares: one level at a time for a person, and for a script that names a folder; all files below the folder
/// with `--all`, and for a script that names none.
pub(super) async fn browse_peer(session: &mut ReplSession, order: &BrowseArgs) -> Result<(), CommandError> {
    let requested = find_peer(session, &order.peer).await?;
    let is_flat = order.all || !session.output.is_for_person() && order.folder.is_none();
    let folder = order.folder.clone().filter(|folder| !folder.is_empty());
    if !is_flat {
        return browse_level(session, requested, folder).await;
    }
    let (node, _, _) = session.node.finder().browse(requested, None, 1).await?;
    session.peers.set_browsed(node, listen_address(requested));
    session.last_list.clear();
    show_files(session, node, folder.clone(), None).await?;
    while !session.output.is_for_person()
        && let Some(NextPage::Files { after, .. }) = session.last_list.next_page().cloned()
    {
        show_files(session, node, folder.clone(), Some(after)).await?;
    }
    if session.last_list.rows().is_empty() { report_empty(session, node, folder.as_deref()) } else { Ok(()) }
}

const fn listen_address(peer: PeerRef) -> Option<SocketAddr> {
    match peer {
        PeerRef::Address(address) => Some(address),
        PeerRef::Node(_) => None,
    }
}

/// Reports that a peer shares nothing, or nothing in a folder.
fn report_empty(session: &mut ReplSession, node: NodeId, folder: Option<&str>) -> Result<(), CommandError> {
    let peer_name =
        session.peers.address_of(node).map_or_else(|| node.short(), |address| address.to_string());
    match folder {
        Some(folder) => Err(CommandError::not_found(&format!("{folder}/ at {peer_name}"))),
        None => Ok(session.output.remark(format!("{peer_name} shares nothing"))?),
    }
}

/// Shows a page of all files below a folder.
pub(super) async fn show_files(
    session: &mut ReplSession,
    node: NodeId,
    folder: Option<String>,
    after: Option<String>,
) -> Result<(), CommandError> {
    let limit = if session.output.is_for_person() { ROWS_PER_PAGE } else { MAX_LISTING };
    let below = folder.as_ref().map(|folder| format!("{folder}/"));
    let after = after.or_else(|| below.clone());
    let (node, mut files, more) = session.node.finder().browse(PeerRef::Node(node), after, limit).await?;
    let received = files.len();
    files.retain(|file| below.as_ref().is_none_or(|below| file.path.starts_with(below)));
    let last = files.last().map(|file| file.path.clone()).filter(|_| more && files.len() == received);
    let next = last.map(|after| NextPage::Files { peer: node, folder, after });
    let has_more = next.is_some();
    let files: Vec<FolderEntry> = files.into_iter().map(FolderEntry::File).collect();
    show_page(session, node, &files, next, NameStyle::FullPath)?;
    if has_more && session.output.is_for_person() {
        session.output.remark("`more` shows the next files")?;
    }
    Ok(())
}

/// Shows the direct entries of a folder.
async fn browse_level(
    session: &mut ReplSession,
    requested: PeerRef,
    folder: Option<String>,
) -> Result<(), CommandError> {
    let mut level = FolderLevel::new(folder.as_deref());
    let (mut peer, mut read, mut bytes) = (requested, 0, 0_u64);
    let mut after = folder.as_ref().map(|folder| format!("{folder}/"));
    let (node, is_cut) = loop {
        let (node, page, more) = session.node.finder().browse(peer, after, MAX_LISTING).await?;
        // All pages come from the same node, even if another one takes over its address.
        peer = PeerRef::Node(node);
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
    session.peers.set_browsed(node, listen_address(requested));
    // A failed listing keeps the numbers of the last list.
    if read == 0 {
        return report_empty(session, node, folder.as_deref());
    }
    session.last_list.clear();
    show_entries(session, node, level.entries())?;
    session.output.remark(format!("{}, {} in total", pluralize(read as u64, "file"), DisplaySize(bytes)))?;
    if is_cut {
        session.output.warning(format!("only the first {read} files were read; browse one of the folders"));
    }
    Ok(())
}

/// Appends entries of a folder to the list: a page for a person, all for a script.
pub(super) fn show_entries(
    session: &mut ReplSession,
    peer: NodeId,
    mut entries: Vec<FolderEntry>,
) -> Result<(), CommandError> {
    let size = if session.output.is_for_person() { ROWS_PER_PAGE.into() } else { entries.len() };
    let rest = entries.split_off(size.min(entries.len()));
    let more = rest.len();
    let next = (more > 0).then_some(NextPage::Entries { peer, rest });
    show_page(session, peer, &entries, next, NameStyle::FileName)?;
    if more > 0 {
        session.output.remark(format!("{more} more; `more` shows the next ones"))?;
    }
    Ok(())
}

/// How much of a path is shown to a person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameStyle {
    /// The whole path.
    FullPath,
    /// The last component.
    FileName,
}

fn show_page(
    session: &mut ReplSession,
    peer: NodeId,
    entries: &[FolderEntry],
    next: Option<NextPage>,
    names: NameStyle,
) -> Result<(), CommandError> {
    let first = session.last_list.append_page(entries.iter().map(|entry| entry.row(peer)).collect(), next);
    let numbered = (first..).zip(entries);
    if session.output.is_for_person() {
        let rows: Vec<_> = numbered.map(|(number, entry)| table_row(number, entry, names)).collect();
        let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
        return Ok(session.output.lines(lines)?);
    }
    Ok(session.output.lines(numbered.map(|(number, entry)| script_line(number, entry)))?)
}

fn script_line(number: usize, entry: &FolderEntry) -> String {
    match entry {
        FolderEntry::Folder { path, files, bytes } => {
            format!("{number}\t{}/\t{bytes}\t{}", display_safe(path), pluralize(*files, "file"))
        }
        FolderEntry::File(file) => {
            format!("{number}\t{}\t{}\t{}", display_safe(&file.path), file.size, file.digest)
        }
    }
}

fn table_row(number: usize, entry: &FolderEntry, names: NameStyle) -> [String; 5] {
    let name = |path: &str| match names {
        NameStyle::FullPath => display_safe(path).into_owned(),
        NameStyle::FileName => display_safe(path.rsplit('/').next().unwrap_or(path)).into_owned(),
    };
    match entry {
        FolderEntry::Folder { path, files, bytes } => {
            let (size, files) = (DisplaySize(*bytes).to_string(), pluralize(*files, "file"));
            [number.to_string(), format!("{}/", name(path)), size, files, String::new()]
        }
        FolderEntry::File(FileRecord { path, size, digest, share }) => {
            let share = if *share == Share::Partial { "partial" } else { "" };
            let size = DisplaySize(*size).to_string();
            [number.to_string(), name(path), size, share.to_owned(), digest.short()]
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    #[test]
    fn folders_and_files_share_one_table() {
        let folder = FolderEntry::Folder { path: "music/live".into(), files: 12, bytes: 2048 };
        assert_eq!(table_row(1, &folder, NameStyle::FileName), ["1", "live/", "2.0 KiB", "12 files", ""]);
        assert_eq!(script_line(1, &folder), "1\tmusic/live/\t2048\t12 files");
        let digest = Digest::EMPTY;
        let file =
            FolderEntry::File(FileRecord { path: "music/a".into(), size: 0, digest, share: Share::Partial });
        assert_eq!(table_row(2, &file, NameStyle::FileName), ["2", "a", "0 B", "partial", "e3b0c44298fc"]);
        assert_eq!(table_row(2, &file, NameStyle::FullPath)[1], "music/a");
        assert_eq!(script_line(2, &file), format!("2\tmusic/a\t0\t{digest}"));
    }
}
