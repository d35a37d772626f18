use protocol::escape::display_safe;

use super::selection::resolve_refs;
use crate::download::ChangeOutcome;
use crate::frontend::repl::command::DownloadRef;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::view::{DownloadView, Priority};

/// Changes the priority of downloads.
pub(super) fn set_priority(
    session: &mut ReplSession,
    which: &[DownloadRef],
    priority: Priority,
) -> Result<(), CommandError> {
    let (ids, mut result) = resolve_refs(session, which);
    let downloads = session.node.downloads().clone();
    for id in ids {
        match (downloads.prioritise(id, priority), downloads.watch(id)) {
            (ChangeOutcome::NotRunning, _) | (_, None) => {
                result = Err(session.report_error(&CommandError::NoDownload { number: id.0 }));
            }
            (_, Some(view)) => {
                let view = downloads.with_rank(view.borrow().clone());
                let (name, priority) = (display_safe(&view.name), priority.name());
                session.output.line(format!("{name}: {priority} priority{}", queue_text(&view)))?;
            }
        }
    }
    result
}

/// Returns the position of a download in the queue, as a suffix; empty if it is not queued.
pub(super) fn queue_text(view: &DownloadView) -> String {
    view.queue_position.map(|position| format!(", number {position} in the queue")).unwrap_or_default()
}
