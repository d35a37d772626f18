use protocol::escape::display_safe;

use super::chosen::named;
use crate::download::Change;
use crate::repl::command::Which;
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::transfers::{DownloadView, Priority};

/// Changes which downloads come first.
pub(super) fn priority(session: &mut Session, which: &[Which], priority: Priority) -> Result<(), Failure> {
    let (ids, mut told) = named(session, which);
    let downloads = session.node.downloads().clone();
    for id in ids {
        match (downloads.prioritise(id, priority), downloads.watch(id)) {
            (Change::NotUnderWay, _) | (_, None) => {
                told = Err(session.told(&Failure::NoDownload { number: id.0 }));
            }
            (_, Some(view)) => {
                let view = downloads.ranked(view.borrow().clone());
                let (name, priority) = (display_safe(&view.name), priority.name());
                session.output.line(format!("{name}: {priority} priority{}", queued(&view)))?;
            }
        }
    }
    told
}

/// Says where in the queue a download waits, if it does.
pub(super) fn queued(view: &DownloadView) -> String {
    view.turn.map(|turn| format!(", number {turn} in the queue")).unwrap_or_default()
}
