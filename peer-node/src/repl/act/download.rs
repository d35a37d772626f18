//! Fetches files, and shows how it goes until they are here.

mod ending;
mod follow;
mod gather;
mod tree;

use protocol::digest::Digest;

use crate::download::{NotStarted, Wanted};
use crate::repl::command::Order;
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::transfers::DownloadId;

pub(crate) use ending::done as done_lines;
pub(super) use ending::ended;
pub(crate) use follow::stop_foreground;

use gather::gather;

/// A download that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awaited {
    /// Which.
    pub(super) id: DownloadId,
    /// The file that it shall bring; none if it is a torrent's content that is wanted.
    pub(super) file: Option<Digest>,
}

/// Starts what was ordered, and waits for it unless it goes to the background.
pub(super) async fn download(session: &mut Session, order: Order) -> Result<(), Failure> {
    let chosen = gather(session, &order).await?;
    let awaited = begin(session, chosen)?;
    go_on_with(session, awaited, order.background).await
}

/// Waits for downloads that have begun, unless they are to go to the background.
pub(super) async fn go_on_with(
    session: &mut Session,
    awaited: Vec<Awaited>,
    background: bool,
) -> Result<(), Failure> {
    let ids: Vec<DownloadId> = awaited.iter().map(|awaited| awaited.id).collect();
    if background {
        return send_to_background(session, &ids);
    }
    session.foreground = ids;
    let followed = follow::follow(session, &awaited).await;
    session.foreground.clear();
    followed
}

/// Starts downloads and tells of those that need not be started. One that is under way already is waited for like the
/// others.
fn begin(session: &mut Session, chosen: Vec<Wanted>) -> Result<Vec<Awaited>, Failure> {
    let mut all: Vec<Awaited> = Vec::with_capacity(chosen.len());
    for wanted in chosen {
        let awaited = |id| Awaited { id, file: Some(wanted.digest) };
        match session.node.downloads().start(&wanted) {
            Ok(id) => all.push(awaited(id)),
            Err(NotStarted::AlreadyHere { location }) => {
                let place = session.show_path(&location);
                session.output.line(format!("already here: {place}"))?;
            }
            Err(NotStarted::Running { id }) if all.contains(&awaited(id)) => {}
            Err(NotStarted::Running { id }) => {
                if session.output.is_for_person() {
                    session.output.line(format!("under way already, as download {}", id.0))?;
                }
                all.push(awaited(id));
            }
        }
    }
    Ok(all)
}

fn send_to_background(session: &mut Session, ids: &[DownloadId]) -> Result<(), Failure> {
    let views = session.node.downloads().views();
    for view in views.iter().filter(|view| ids.contains(&view.id)) {
        let text = ending::begun(view, session.output.audience());
        session.output.line(text)?;
    }
    for id in ids {
        if !session.background.contains(id) {
            session.background.push(*id);
        }
    }
    Ok(())
}
