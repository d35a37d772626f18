use super::download::stopped_text;
use super::priority::queue_text;
use super::selection::{report_problems, selection_of};
use crate::frontend::console::progress_bar::percent;
use crate::frontend::repl::command::DownloadSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::{ChangedDownload, DownloadChanges};

/// Pauses downloads.
pub(super) async fn pause(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let changes = session.operations.pause(&selection_of(which)).await;
    if changes.is_nothing() {
        session.output.remark("no download is under way")?;
    }
    report_changes(session, changes, paused_text)
}

/// Resumes paused and waiting downloads; restarts failed ones.
pub(super) async fn resume(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let changes = session.operations.resume(&selection_of(which)).await;
    if changes.is_nothing() {
        session.output.remark("no download is paused, waiting or failed")?;
    }
    report_changes(session, changes, resumed_text)
}

/// Restarts failed downloads.
pub(super) async fn retry(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let changes = session.operations.retry(&selection_of(which)).await;
    if changes.is_nothing() {
        session.output.line("no download has failed")?;
    }
    report_changes(session, changes, retried_text)
}

/// Reports what became of a change. The result is an error if a name stands for no running download.
pub(super) fn report_changes(
    session: &mut ReplSession,
    changes: DownloadChanges,
    text: impl Fn(&ChangedDownload) -> String,
) -> Result<(), CommandError> {
    let result = report_problems(session, changes.problems);
    for changed in &changes.changed {
        session.output.line(text(changed))?;
    }
    result
}

fn paused_text(ChangedDownload { view, was_so_already }: &ChangedDownload) -> String {
    let name = &view.name;
    match view.size {
        _ if *was_so_already => format!("{name}: already paused"),
        _ if view.state.is_over() => stopped_text(view),
        Some(size) if view.bytes_done > 0 => {
            format!("{name}: paused at {}%", percent(view.bytes_done, size))
        }
        _ => format!("{name}: paused"),
    }
}

fn resumed_text(ChangedDownload { view, was_so_already }: &ChangedDownload) -> String {
    let name = &view.name;
    if *was_so_already {
        format!("{name}: not paused")
    } else if view.state.is_over() {
        stopped_text(view)
    } else {
        format!("{name}: resumed{}", queue_text(view))
    }
}

fn retried_text(ChangedDownload { view, was_so_already }: &ChangedDownload) -> String {
    let name = &view.name;
    if *was_so_already {
        format!("{name}: has not failed")
    } else if view.state.is_over() {
        stopped_text(view)
    } else {
        format!("{name}: retrying{}", queue_text(view))
    }
}
