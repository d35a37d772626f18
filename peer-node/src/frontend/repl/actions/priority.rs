use super::pausing::report_changes;
use super::selection::keys_of;
use crate::frontend::repl::command::DownloadRef;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::{ChangedDownload, Download};
use crate::view::Priority;

/// Changes the priority of downloads.
pub(super) async fn set_priority(
    session: &mut ReplSession,
    which: &[DownloadRef],
    priority: Priority,
) -> Result<(), CommandError> {
    let changes = session.operations.set_priority(keys_of(which), priority).await;
    report_changes(session, changes, |ChangedDownload { view, .. }| {
        let (name, priority) = (&view.name, priority.name());
        format!("{name}: {priority} priority{}", queue_text(view))
    })
}

/// Returns the position of a download in the queue, as a suffix; empty if it is not queued.
pub(super) fn queue_text(view: &Download) -> String {
    view.queue_position.map(|position| format!(", number {position} in the queue")).unwrap_or_default()
}
