//! Fetches files, and shows how it goes until they are here.

mod ending;
mod follow;
mod gather;
mod tree;

use crate::download::{NotStarted, Wanted};
use crate::repl::command::Order;
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::transfers::DownloadId;

pub(crate) use ending::done as done_lines;
pub(super) use ending::ended;
pub(crate) use follow::stop_foreground;

use gather::gather;

/// Starts what was ordered, and waits for it unless it goes to the background.
pub(super) async fn download(session: &mut Session, order: Order) -> Result<(), Failure> {
    let chosen = gather(session, &order).await?;
    let ids = begin(session, chosen)?;
    go_on_with(session, ids, order.background).await
}

/// Waits for downloads that have begun, unless they are to go to the background.
pub(super) async fn go_on_with(
    session: &mut Session,
    ids: Vec<DownloadId>,
    background: bool,
) -> Result<(), Failure> {
    if background {
        return send_to_background(session, &ids);
    }
    session.foreground.clone_from(&ids);
    let followed = follow::follow(session, &ids).await;
    session.foreground.clear();
    followed
}

/// Starts downloads and tells of those that need not be started. One that is under way already is waited for like the
/// others.
fn begin(session: &mut Session, chosen: Vec<Wanted>) -> Result<Vec<DownloadId>, Failure> {
    let mut ids: Vec<DownloadId> = Vec::with_capacity(chosen.len());
    for wanted in chosen {
        match session.node.downloads().start(&wanted) {
            Ok(id) => ids.push(id),
            Err(NotStarted::AlreadyHere { location }) => {
                let place = session.show_path(&location);
                session.output.line(format!("already here: {place}"))?;
            }
            Err(NotStarted::Running { id }) if ids.contains(&id) => {}
            Err(NotStarted::Running { id }) => {
                if session.output.is_for_person() {
                    session.output.line(format!("under way already, as download {}", id.0))?;
                }
                ids.push(id);
            }
        }
    }
    Ok(ids)
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
