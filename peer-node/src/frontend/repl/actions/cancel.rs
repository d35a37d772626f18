use std::time::Duration;

use protocol::escape::display_safe;

use super::selection::resolve_downloads;
use crate::frontend::repl::command::DownloadSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::shared_torrents::Withdrawal;
use crate::view::DownloadId;

/// Maximum time for a download to save its partial data.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Stops downloads, and removes failed ones from the list.
pub(super) async fn cancel(session: &mut ReplSession, which: &DownloadSelector) -> Result<(), CommandError> {
    let (ids, mut result) = resolve_downloads(session, which, |state| !state.is_over());
    if ids.is_empty() && result.is_ok() {
        session.output.remark("no download is under way")?;
    }
    for id in ids {
        let failed = session.node.downloads().watch(id).filter(|view| view.borrow().state.is_failed());
        // Withdraw first: otherwise a request from outside could start the torrent again after it has stopped.
        let withdrawal = session.node.shared_torrents().withdraw(id).await;
        if session.node.downloads().cancel(id) {
            if let Some(view) = failed {
                let text = format!("{}: removed", display_safe(&view.borrow().name));
                session.output.line(text)?;
            }
            wait_until_stopped(session, id).await?;
            report_withdrawal(session, withdrawal)?;
        } else {
            result = Err(session.report_error(&CommandError::NoDownload { number: id.0 }));
        }
    }
    result
}

/// Reports that the torrent of a shared file is no longer offered.
fn report_withdrawal(session: &mut ReplSession, withdrawal: Option<Withdrawal>) -> Result<(), CommandError> {
    let Some(Withdrawal { infohash, is_acknowledged }) = withdrawal else { return Ok(()) };
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

/// Waits until a download has stopped, and reports it.
async fn wait_until_stopped(session: &mut ReplSession, id: DownloadId) -> Result<(), CommandError> {
    let Some(mut view) = session.node.downloads().watch(id) else { return Ok(()) };
    // A download that takes longer still stops later.
    let _ = tokio::time::timeout(STOP_TIMEOUT, view.wait_for(|view| view.state.is_over())).await;
    session.background.remove(id);
    let text = super::download::stopped_text(&view.borrow());
    Ok(session.output.line(text)?)
}
