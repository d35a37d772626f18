use std::time::Duration;

use protocol::escape::display_safe;

use super::priority::queue_text;
use super::selection::resolve_downloads;
use crate::download::ChangeOutcome;
use crate::frontend::console::progress_bar::percent;
use crate::frontend::repl::command::DownloadSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// Maximum time for a download to save its partial data, and for the next one to start.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses downloads.
pub(super) async fn pause(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let (ids, result) = resolve_downloads(session, which, |state| !state.is_over());
    if ids.is_empty() && result.is_ok() {
        session.output.remark("no download is under way")?;
    }
    let downloads = session.node.downloads().clone();
    let changes = ids.into_iter().map(|id| (id, downloads.pause(id))).collect();
    let is_paused = |state: &DownloadState| *state == DownloadState::Paused;
    report_changes(session, changes, is_paused, paused_text).await?;
    result
}

/// Resumes paused and waiting downloads; restarts failed ones.
pub(super) async fn resume(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let is_resumable =
        |state: &DownloadState| *state == DownloadState::Paused || state.is_failed() || state.is_stuck();
    let (ids, result) = resolve_downloads(session, which, is_resumable);
    if ids.is_empty() && result.is_ok() {
        session.output.remark("no download is paused, waiting or failed")?;
    }
    let downloads = session.node.downloads().clone();
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push((id, downloads.resume(id).await));
    }
    let is_resumed = |state: &DownloadState| *state != DownloadState::Paused;
    report_changes(session, changes, is_resumed, resumed_text).await?;
    result
}

/// Restarts failed downloads.
pub(super) async fn retry(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let (ids, result) = resolve_downloads(session, which, DownloadState::is_failed);
    if ids.is_empty() && result.is_ok() {
        session.output.line("no download has failed")?;
    }
    let downloads = session.node.downloads().clone();
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push((id, downloads.retry(id).await));
    }
    report_changes(session, changes, |_| true, retried_text).await?;
    result
}

/// Waits until each change is visible, and reports it.
async fn report_changes(
    session: &mut ReplSession,
    changes: Vec<(DownloadId, ChangeOutcome)>,
    is_visible: impl Fn(&DownloadState) -> bool,
    text: impl Fn(&DownloadView, ChangeOutcome) -> String,
) -> Result<(), CommandError> {
    let downloads = session.node.downloads().clone();
    let (mut watched, mut result) = (Vec::with_capacity(changes.len()), Ok(()));
    for (id, change) in changes {
        match (change, downloads.watch(id)) {
            (ChangeOutcome::NotRunning, _) | (_, None) => {
                result = Err(session.report_error(&CommandError::NoDownload { number: id.0 }));
            }
            (change, Some(view)) => watched.push((view, change)),
        }
    }
    let all_visible = async {
        for (view, _) in &mut watched {
            let _ = view.wait_for(|view| is_visible(&view.state) || view.state.is_over()).await;
        }
    };
    // A download that takes longer still changes later.
    let _ = tokio::time::timeout(CHANGE_TIMEOUT, all_visible).await;
    for (view, change) in watched {
        let text = text(&downloads.with_rank(view.borrow().clone()), change);
        session.output.line(text)?;
    }
    result
}

fn paused_text(view: &DownloadView, change: ChangeOutcome) -> String {
    let name = display_safe(&view.name);
    match (change, view.size) {
        (ChangeOutcome::Unchanged, _) => format!("{name}: already paused"),
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
        _ => format!("{name}: resumed{}", queue_text(view)),
    }
}

fn retried_text(view: &DownloadView, change: ChangeOutcome) -> String {
    let name = display_safe(&view.name);
    match change {
        ChangeOutcome::Unchanged => format!("{name}: has not failed"),
        _ if view.state.is_over() => super::download::stopped_text(view),
        _ => format!("{name}: retrying{}", queue_text(view)),
    }
}
