use std::time::Duration;

use protocol::escape::display_safe;

use super::chosen::chosen;
use super::priority::queued;
use crate::download::Change;
use crate::repl::bar::percent;
use crate::repl::command::Chosen;
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::transfers::{DownloadId, DownloadState, DownloadView};

/// How long a download may take to put its part in order, and then another one to begin.
const SETTLING: Duration = Duration::from_secs(5);

/// Lets downloads rest.
pub(super) async fn pause(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let (ids, told) = chosen(session, which, |state| !state.is_over());
    if ids.is_empty() && told.is_ok() {
        session.output.remark("no download is under way")?;
    }
    let downloads = session.node.downloads().clone();
    let changes = ids.into_iter().map(|id| (id, downloads.pause(id))).collect();
    let rests = |state: &DownloadState| *state == DownloadState::Paused;
    tell(session, changes, rests, paused).await?;
    told
}

/// Lets downloads go on; those that failed begin again.
pub(super) async fn resume(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let is_resumable =
        |state: &DownloadState| *state == DownloadState::Paused || state.is_failed() || state.is_stuck();
    let (ids, told) = chosen(session, which, is_resumable);
    if ids.is_empty() && told.is_ok() {
        session.output.remark("no download is paused, waits or has failed")?;
    }
    let downloads = session.node.downloads().clone();
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push((id, downloads.resume(id).await));
    }
    let goes_on = |state: &DownloadState| *state != DownloadState::Paused;
    tell(session, changes, goes_on, resumed).await?;
    told
}

/// Begins downloads that failed again.
pub(super) async fn retry(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let (ids, told) = chosen(session, which, DownloadState::is_failed);
    if ids.is_empty() && told.is_ok() {
        session.output.line("no download has failed")?;
    }
    let downloads = session.node.downloads().clone();
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push((id, downloads.retry(id).await));
    }
    tell(session, changes, |_| true, retried).await?;
    told
}

/// Waits until each change shows, and tells of it.
async fn tell(
    session: &mut Session,
    changes: Vec<(DownloadId, Change)>,
    shows: impl Fn(&DownloadState) -> bool,
    text: impl Fn(&DownloadView, Change) -> String,
) -> Result<(), Failure> {
    let downloads = session.node.downloads().clone();
    let (mut watched, mut told) = (Vec::with_capacity(changes.len()), Ok(()));
    for (id, change) in changes {
        match (change, downloads.watch(id)) {
            (Change::NotUnderWay, _) | (_, None) => {
                told = Err(session.told(&Failure::NoDownload { number: id.0 }));
            }
            (change, Some(view)) => watched.push((view, change)),
        }
    }
    let all_show = async {
        for (view, _) in &mut watched {
            let _ = view.wait_for(|view| shows(&view.state) || view.state.is_over()).await;
        }
    };
    // One that takes longer is still going to do it.
    let _ = tokio::time::timeout(SETTLING, all_show).await;
    for (view, change) in watched {
        let text = text(&downloads.ranked(view.borrow().clone()), change);
        session.output.line(text)?;
    }
    told
}

fn paused(view: &DownloadView, change: Change) -> String {
    let name = display_safe(&view.name);
    match (change, view.size) {
        (Change::Needless, _) => format!("{name}: paused already"),
        _ if view.state.is_over() => super::download::ended(view),
        (_, Some(size)) if view.bytes_done > 0 => {
            format!("{name}: paused at {}%", percent(view.bytes_done, size))
        }
        _ => format!("{name}: paused"),
    }
}

fn resumed(view: &DownloadView, change: Change) -> String {
    let name = display_safe(&view.name);
    match change {
        Change::Needless => format!("{name}: not paused"),
        _ if view.state.is_over() => super::download::ended(view),
        _ => format!("{name}: goes on{}", queued(view)),
    }
}

fn retried(view: &DownloadView, change: Change) -> String {
    let name = display_safe(&view.name);
    match change {
        Change::Needless => format!("{name}: has not failed"),
        _ if view.state.is_over() => super::download::ended(view),
        _ => format!("{name}: tries again{}", queued(view)),
    }
}
