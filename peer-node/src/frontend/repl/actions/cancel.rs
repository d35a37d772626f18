use super::download::stopped_text;
use super::selection::{report_problems, selection_of};
use crate::frontend::repl::command::DownloadSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::{CancelledDownload, DownloadFilter, WithdrawnTorrent};

/// Stops downloads, and removes failed ones from the list.
pub(super) async fn cancel(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let selected = session.operations.select(&selection_of(which), DownloadFilter::Running);
    if selected.is_nothing() {
        session.output.remark("no download is under way")?;
    }
    let mut result = report_problems(session, selected.problems);
    for id in selected.ids {
        match session.operations.cancel(id).await {
            Ok(cancelled) => {
                session.background.remove(id);
                report_cancelled(session, &cancelled)?;
            }
            Err(problem) => result = Err(session.report_error(&problem.into())),
        }
    }
    result
}

fn report_cancelled(session: &mut ReplSession, cancelled: &CancelledDownload) -> Result<(), CommandError> {
    if let Some(view) = &cancelled.view {
        let text = if cancelled.was_removed { format!("{}: removed", view.name) } else { stopped_text(view) };
        session.output.line(text)?;
    }
    cancelled.withdrawn.map_or(Ok(()), |withdrawn| report_withdrawal(session, withdrawn))
}

/// Reports that the torrent of a shared file is no longer offered.
fn report_withdrawal(session: &mut ReplSession, withdrawn: WithdrawnTorrent) -> Result<(), CommandError> {
    let WithdrawnTorrent { infohash, is_acknowledged } = withdrawn;
    if session.output.is_for_person() {
        session.output.line(format!("torrent {infohash} withdrawn"))?;
    } else {
        session.output.line(format!("withdrawn\tinfohash {infohash}"))?;
    }
    if !is_acknowledged {
        session.output.warning("no answer from the index; the torrent is withdrawn after reconnecting");
    }
    Ok(())
}
