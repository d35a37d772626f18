use std::net::SocketAddr;

use protocol::index::PeerRef;
use protocol::limits::MAX_LISTING;
use protocol::node_id::NodeId;
use protocol::units::DisplaySize;

use super::lookup::find_peer;
use super::pages::ROWS_PER_PAGE;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command::BrowseArgs;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::{ListRow, NextPage};
use crate::frontend::repl::session::{ReplSession, pluralize};
use crate::operations::{FilesRequest, FolderEntry, PeerFile, SafeName};

const TABLE: [TableColumn; 5] = [
    TableColumn::right("#", Style::Accent, 0),
    TableColumn::path("name"),
    TableColumn::right("size", Style::Plain, 1),
    TableColumn::left("", Style::Warning, 2),
    TableColumn::left("digest", Style::Faint, 3),
];

/// Lists what one peer shares: one level at a time for a person, and for a script that names a folder; all files below the folder
/// with `--all`, and for a script that names none.
pub(super) async fn browse_peer(session: &mut ReplSession, order: &BrowseArgs) -> Result<(), CommandError> {
    let requested = find_peer(session, &order.peer).await?;
    let is_flat = order.all || !session.output.is_for_person() && order.folder.is_none();
    let folder = order.folder.clone().filter(|folder| !folder.is_empty());
    if !is_flat {
        return browse_level(session, requested, folder).await;
    }
    let node = session.operations.identify_peer(requested).await?;
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
        Some(folder) => Err(CommandError::not_found(format!("{folder}/ at {peer_name}"))),
        None => Ok(session.output.remark(format!("{peer_name} shares nothing"))?),
    }
}

/// Shows a page of all files below a folder.
pub(super) async fn show_files(
    session: &mut ReplSession,
    peer: NodeId,
    folder: Option<String>,
    after: Option<SafeName>,
) -> Result<(), CommandError> {
    let limit = if session.output.is_for_person() { ROWS_PER_PAGE } else { MAX_LISTING };
    let request = FilesRequest { peer, folder: folder.clone(), after, limit };
    let page = session.operations.list_files(request).await?;
    let has_more = page.next.is_some();
    let next = page.next.map(|after| NextPage::Files { peer, folder, after });
    let files: Vec<FolderEntry> = page.items.into_iter().map(FolderEntry::File).collect();
    show_page(session, peer, &files, next, NameStyle::FullPath)?;
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
    let level = session.operations.list_folder(requested, folder.as_deref()).await?;
    session.peers.set_browsed(level.peer, listen_address(requested));
    // A failed listing keeps the numbers of the last list.
    if level.files == 0 {
        return report_empty(session, level.peer, folder.as_deref());
    }
    session.last_list.clear();
    show_entries(session, level.peer, level.entries)?;
    let (files, bytes) = (level.files, DisplaySize(level.bytes));
    session.output.remark(format!("{}, {bytes} in total", pluralize(files, "file")))?;
    if level.is_truncated {
        session.output.warning(format!("only the first {files} files were read; browse one of the folders"));
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
    let rows = entries.iter().map(|entry| ListRow::from_entry(entry, peer)).collect();
    let first = session.last_list.append_page(rows, next);
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
            format!("{number}\t{path}/\t{bytes}\t{}", pluralize(*files, "file"))
        }
        FolderEntry::File(PeerFile { content, .. }) => {
            format!("{number}\t{}\t{}\t{}", content.path, content.size.unwrap_or(0), content.digest)
        }
    }
}

fn table_row(number: usize, entry: &FolderEntry, names: NameStyle) -> [String; 5] {
    let name = |path: &SafeName| match names {
        NameStyle::FullPath => path.to_string(),
        NameStyle::FileName => path.file_name().to_string(),
    };
    match entry {
        FolderEntry::Folder { path, files, bytes } => {
            let (size, files) = (DisplaySize(*bytes).to_string(), pluralize(*files, "file"));
            [number.to_string(), format!("{}/", name(path)), size, files, String::new()]
        }
        FolderEntry::File(PeerFile { content, is_partial }) => {
            let share = if *is_partial { "partial" } else { "" };
            let size = DisplaySize(content.size.unwrap_or(0)).to_string();
            [number.to_string(), name(&content.path), size, share.to_owned(), content.digest.short()]
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;
    use crate::operations::ListedContent;

    #[test]
    fn folders_and_files_share_one_table() {
        let folder = FolderEntry::Folder { path: "music/live".into(), files: 12, bytes: 2048 };
        assert_eq!(table_row(1, &folder, NameStyle::FileName), ["1", "live/", "2.0 KiB", "12 files", ""]);
        assert_eq!(script_line(1, &folder), "1\tmusic/live/\t2048\t12 files");
        let digest = Digest::EMPTY;
        let content = ListedContent { digest, size: Some(0), path: "music/a".into() };
        let file = FolderEntry::File(PeerFile { content, is_partial: true });
        assert_eq!(table_row(2, &file, NameStyle::FileName), ["2", "a", "0 B", "partial", "e3b0c44298fc"]);
        assert_eq!(table_row(2, &file, NameStyle::FullPath)[1], "music/a");
        assert_eq!(script_line(2, &file), format!("2\tmusic/a\t0\t{digest}"));
    }
}
