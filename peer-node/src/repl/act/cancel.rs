use std::time::Duration;

use protocol::escape::display_safe;

use super::chosen::chosen;
use crate::repl::command::Chosen;
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::torrent::offers::Withdrawal;
use crate::transfers::DownloadId;

/// How long a download may take to put its part in order.
const STOPPING: Duration = Duration::from_secs(5);

/// Stops downloads, and removes those that failed.
pub(super) async fn cancel(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let (ids, mut told) = chosen(session, which, |state| !state.is_over());
    if ids.is_empty() && told.is_ok() {
        session.output.remark("no download is under way")?;
    }
    for id in ids {
        let failed = session.node.downloads().watch(id).filter(|view| view.borrow().state.is_failed());
        // Before it stops, so that nobody who calls for it then begins it anew.
        let withdrawal = session.node.offers().withdraw(id).await;
        if session.node.downloads().cancel(id) {
            if let Some(view) = failed {
                let text = format!("{}: removed", display_safe(&view.borrow().name));
                session.output.line(text)?;
            }
            wait(session, id).await?;
            withdrawn(session, withdrawal)?;
        } else {
            told = Err(session.told(&Failure::NoDownload { number: id.0 }));
        }
    }
    told
}

/// Reports that the torrent of a shared file is not offered any more.
fn withdrawn(session: &mut Session, withdrawal: Option<Withdrawal>) -> Result<(), Failure> {
    let Some(Withdrawal { infohash, is_acknowledged }) = withdrawal else { return Ok(()) };
    if session.output.is_for_person() {
        session.output.line(format!("torrent {infohash} withdrawn"))?;
    } else {
        session.output.line(format!("withdrawn\tinfohash {infohash}"))?;
    }
    if !is_acknowledged {
        session.output.warning("no answer from the index; it withdraws the torrent when it is back");
    }
    Ok(())
}

/// Waits until a download has stopped, and says so.
async fn wait(session: &mut Session, id: DownloadId) -> Result<(), Failure> {
    let Some(mut view) = session.node.downloads().watch(id) else { return Ok(()) };
    // One that takes longer is still going to stop.
    let _ = tokio::time::timeout(STOPPING, view.wait_for(|view| view.state.is_over())).await;
    session.background.remove(id);
    let text = super::download::ended(&view.borrow());
    Ok(session.output.line(text)?)
}
