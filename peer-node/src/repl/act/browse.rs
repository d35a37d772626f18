use std::net::SocketAddr;

use protocol::index::{FileRecord, PeerRef, Share};
use protocol::limits::MAX_LISTING;
use protocol::node_id::NodeId;
use protocol::share_path::SharePath;
use protocol::units::Size;

use super::lookup::peer;
use super::pages::{MORE, PERSONS_PAGE};
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::Session;
use crate::repl::shown::{Listed, Next};
use crate::repl::table::{Column, lay_out};

const TABLE: [Column; 5] = [
    Column::right("#", Style::Accent, 0),
    Column::flexible("path"),
    Column::right("size", Style::Plain, 1),
    Column::left("", Style::Warning, 2),
    Column::left("digest", Style::Faint, 3),
];

/// Lists what one peer shares: all of it to scripts, the first page to people.
pub(super) async fn browse(session: &mut Session, named: &str) -> Result<(), Failure> {
    let asked = peer(session, named).await?;
    session.shown.begin();
    let limit = if session.output.is_for_person() { PERSONS_PAGE } else { MAX_LISTING };
    let (node, files, more) = session.node.index().browse(asked, None, limit).await?;
    session.peers.browse(node, address(asked));
    if files.is_empty() {
        let whose =
            session.peers.address_of(node).map_or_else(|| node.short(), |address| address.to_string());
        return Ok(session.output.line(format!("{whose} shares nothing"))?);
    }
    show(session, node, files, more)?;
    while !session.output.is_for_person()
        && let Some(Next::Browse { peer, after }) = session.shown.next().cloned()
    {
        page(session, peer, after).await?;
    }
    Ok(())
}

/// Shows the next page.
pub(super) async fn page(session: &mut Session, node: NodeId, after: String) -> Result<(), Failure> {
    let limit = if session.output.is_for_person() { PERSONS_PAGE } else { MAX_LISTING };
    let (node, files, more) = session.node.index().browse(PeerRef::Node(node), Some(after), limit).await?;
    show(session, node, files, more)
}

const fn address(peer: PeerRef) -> Option<SocketAddr> {
    match peer {
        PeerRef::Address(address) => Some(address),
        PeerRef::Node(_) => None,
    }
}

fn show(session: &mut Session, peer: NodeId, mut files: Vec<FileRecord>, more: bool) -> Result<(), Failure> {
    let last = files.last().map(|file| file.path.clone());
    let told = files.len();
    files.retain(|file| file.check().is_ok());
    let next = last.filter(|_| more).map(|after| Next::Browse { peer, after });
    let first = session.shown.extend(files.iter().map(Listed::from).collect(), next);
    let numbered = (first..).zip(&files);
    let look = session.output.look();
    if session.output.is_for_person() {
        let rows: Vec<_> = numbered.map(|(number, file)| row(number, file)).collect();
        let lines = lay_out(&TABLE, &rows, session.output.width(), look);
        session.output.lines(lines)?;
        if more {
            session.output.line(look.paint(Style::Faint, MORE))?;
        }
    } else {
        session.output.lines(numbered.map(|(number, file)| line(number, file)))?;
    }
    if told > files.len() {
        tracing::debug!(left_out = told - files.len(), "a peer's list has files in it that cannot be");
    }
    Ok(())
}

fn line(number: usize, file: &FileRecord) -> String {
    format!("{number}\t{}\t{}\t{}", path(file), file.size, file.digest)
}

fn row(number: usize, file: &FileRecord) -> [String; 5] {
    let share = if file.share == Share::Partial { "in part" } else { "" };
    let size = Size(file.size).to_string();
    [number.to_string(), path(file), size, share.to_owned(), file.digest.short()]
}

fn path(file: &FileRecord) -> String {
    SharePath::parse(&file.path).map_or_else(|_| "?".to_owned(), |path| path.to_string())
}
