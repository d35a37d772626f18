use protocol::index::PeerRef;

use crate::frontend::repl::actions::lookup::{find_listed, find_peer};
use crate::frontend::repl::command::{ContentSelector, DownloadArgs};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::ListRow;
use crate::frontend::repl::session::{ReplSession, expand_tilde, home_dir};
use crate::operations::{ContentRef, DownloadItem, DownloadRequest};

/// Returns the request of a `download` command: its numbers stand for rows of the last list.
pub(super) async fn request_of(
    session: &mut ReplSession,
    order: &DownloadArgs,
) -> Result<DownloadRequest, CommandError> {
    let mut items = Vec::with_capacity(order.items.len());
    for item in &order.items {
        match item {
            ContentSelector::Folder(folder) => {
                let peer = folder_peer(session, order.from.as_deref()).await?;
                items.push(DownloadItem::Folder { peer, folder: folder.as_str().into() });
            }
            ContentSelector::Hits(numbers) => {
                let rows = session.last_list.select(numbers)?.into_iter();
                let numbers = numbers.up_to(u32::MAX).into_iter().flatten();
                items.extend(rows.zip(numbers).map(|(row, number)| row_item(row, number)));
            }
            ContentSelector::Prefix(digits) => {
                items.push(content_item(session, ContentRef::Prefix(digits.clone()))?);
            }
            ContentSelector::Digest(digest) => {
                items.push(content_item(session, ContentRef::Digest(*digest))?);
            }
            ContentSelector::Name(name) => {
                items.push(DownloadItem::Content(ContentRef::Name(name.clone())));
            }
        }
    }
    let home = home_dir();
    let destination = order.destination.as_deref().map(|path| expand_tilde(path, home.as_deref()));
    Ok(DownloadRequest { items, destination, saving: order.saving })
}

/// Returns the item of a row.
fn row_item(row: &ListRow, number: u32) -> DownloadItem {
    match row {
        ListRow::File(listed) => DownloadItem::Listed(listed.clone(), Some(number)),
        ListRow::Folder { peer, path } => {
            DownloadItem::Folder { peer: PeerRef::Node(*peer), folder: path.clone() }
        }
    }
}

/// Returns the item of a content: as it was listed, if it was.
fn content_item(session: &ReplSession, what: ContentRef) -> Result<DownloadItem, CommandError> {
    let listed = find_listed(&session.last_list, &what)?;
    Ok(listed.map_or(DownloadItem::Content(what), |listed| DownloadItem::Listed(listed, None)))
}

/// Returns the peer of a folder: the one that is named, otherwise the one browsed last.
async fn folder_peer(session: &mut ReplSession, from: Option<&str>) -> Result<PeerRef, CommandError> {
    match from {
        Some(named) => find_peer(session, named).await,
        None => Ok(session.peers.browsed()?),
    }
}
