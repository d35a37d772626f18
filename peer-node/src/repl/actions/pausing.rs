use std::time::Duration;

use protocol::escape::display_safe;

use super::priority::queue_text;
use super::selection::resolve_downloads;
use crate::download::ChangeOutcome;
use crate::repl::command::DownloadSelector;
use crate::repl::command_error::CommandError;
use crate::repl::progress_bar::percent;
use crate::repl::session::ReplSession;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// How long a download may take to put its part in order, and then another one to begin.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Lets downloads rest.
pub(super) async fn pause(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let (ids, result) = resolve_downloads(session, which, |state| !state.is_over());
    if ids.is_empty() && result.is_ok() {
        session.output.remark("no download is under way")?;
    }
    let downloads = session.node.downloads().clone();
    let changes = ids.into_iter().map(|id| (id, downloads.pause(id))).collect();
    let rests = |state: &DownloadState| *state == DownloadState::Paused;
    report_changes(session, changes, rests, paused_text).await?;
    result
}

/// Lets downloads go on; those that failed begin again.
pub(super) async fn resume(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let is_resumable =
        |state: &DownloadState| *state == DownloadState::Paused || state.is_failed() || state.is_stuck();
    let (ids, told) = resolve_downloads(session, which, is_resumable);
    if ids.is_empty() && told.is_ok() {
        session.output.remark("no download is paused, waits or has failed")?;
    }
    let downloads = session.node.downloads().clone();
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push((id, downloads.resume(id).await));
    }
    let goes_on = |state: &DownloadState| *state != DownloadState::Paused;
    report_changes(session, changes, goes_on, resumed_text).await?;
    told
}

/// Begins downloads that failed again.
pub(super) async fn retry(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let (ids, told) = resolve_downloads(session, which, DownloadState::is_failed);
    if ids.is_empty() && told.is_ok() {
        session.output.line("no download has failed")?;
    }
    let downloads = session.node.downloads().clone();
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push((id, downloads.retry(id).await));
    }
    report_changes(session, changes, |_| true, retried_text).await?;
    told
}

/// Waits until each change shows, and tells of it.
async fn report_changes(
    session: &mut ReplSession,
    changes: Vec<(DownloadId, ChangeOutcome)>,
    shows: impl Fn(&DownloadState) -> bool,
    text: impl Fn(&DownloadView, ChangeOutcome) -> String,
) -> Result<(), CommandError> {
    let downloads = session.node.downloads().clone();
    let (mut watched, mut told) = (Vec::with_capacity(changes.len()), Ok(()));
    for (id, change) in changes {
        match (change, downloads.watch(id)) {
            (ChangeOutcome::NotRunning, _) | (_, None) => {
                told = Err(session.report_error(&CommandError::NoDownload { number: id.0 }));
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
    let _ = tokio::time::timeout(CHANGE_TIMEOUT, all_show).await;
    for (view, change) in watched {
        let text = text(&downloads.with_rank(view.borrow().clone()), change);
        session.output.line(text)?;
    }
    told
}

fn paused_text(view: &DownloadView, change: ChangeOutcome) -> String {
    let name = display_safe(&view.name);
    match (change, view.size) {
        (ChangeOutcome::Unchanged, _) => format!("{name}: paused already"),
        _ if view.state.is_over() => super::download::stopped_text(view),
        (_, Some(size)) if view.bytes_done > 0 => {
            format!("{name}: paused at {}%", percent(view.bytes_done, size))
        }
        _ => format!("{name}: paused"),
    }
}

fn resumed_text(view: &DownloadView, change: ChangeOutcome) -> String {
    let name = display_safe(&view.name);
    match change {
        ChangeOutcome::Unchanged => format!("{name}: not paused"),
        _ if view.state.is_over() => super::download::stopped_text(view),
        _ => format!("{name}: goes on{}", queue_text(view)),
    }
}

fn retried_text(view: &DownloadView, change: ChangeOutcome) -> String {
    let name = display_safe(&view.name);
    match change {
        ChangeOutcome::Unchanged => format!("{name}: has not failed"),
        _ if view.state.is_over() => super::download::stopped_text(view),
        _ => format!("{name}: tries again{}", queue_text(view)),
    }
}
