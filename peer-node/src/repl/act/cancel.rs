use std::time::Duration;

use crate::repl::failure::Failure;
use crate::repl::numbers::Numbers;
use crate::repl::session::Session;
use crate::transfers::DownloadId;

/// How long a download may take to put its part in order.
const STOPPING: Duration = Duration::from_secs(5);

/// Stops downloads by their numbers.
pub(super) async fn cancel(session: &mut Session, numbers: &[Numbers]) -> Result<(), Failure> {
    let views = session.node.downloads().views();
    let last = views.last().map_or(0, |view| view.id.0);
    let mut failure = None;
    for numbers in numbers {
        let ids: Vec<u32> = match numbers.up_to(last) {
            Ok(ids) => ids.collect(),
            Err(number) => {
                failure = Some(session.told(&Failure::NoDownload { number }));
                continue;
            }
        };
        for number in ids {
            if session.node.downloads().cancel(DownloadId(number)) {
                wait(session, DownloadId(number)).await?;
            } else {
                failure = Some(session.told(&Failure::NoDownload { number }));
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Waits until a download has stopped, and says so.
async fn wait(session: &mut Session, id: DownloadId) -> Result<(), Failure> {
    let Some(mut view) = session.node.downloads().watch(id) else { return Ok(()) };
    // One that takes longer is still going to stop.
    let _ = tokio::time::timeout(STOPPING, view.wait_for(|view| view.state.is_over())).await;
    session.background.retain(|background| *background != id);
    let text = super::download::ended(&view.borrow());
    Ok(session.output.line(text)?)
}
