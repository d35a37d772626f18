use std::time::Duration;

use protocol::escape::display_safe;

use super::chosen::chosen;
use super::priority::queued;
use crate::download::{Change, Downloads};
use crate::repl::bar::percent;
use crate::repl::command::Chosen;
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::transfers::{DownloadId, DownloadState, DownloadView};

/// How long a download may take to put its part in order, and then another one to begin.
const SETTLING: Duration = Duration::from_secs(5);

/// Lets downloads rest.
pub(super) async fn pause(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let rests = |state: &DownloadState| *state == DownloadState::Paused;
    change(session, which, Downloads::pause, rests, paused).await
}

/// Lets downloads go on.
pub(super) async fn resume(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let goes_on = |state: &DownloadState| *state != DownloadState::Paused;
    change(session, which, Downloads::resume, goes_on, resumed).await
}

/// Makes a change to each of some downloads, waits until it shows, and tells of it.
async fn change(
    session: &mut Session,
    which: &Chosen,
    make: impl Fn(&Downloads, DownloadId) -> Change,
    shows: impl Fn(&DownloadState) -> bool,
    tell: impl Fn(&DownloadView, Change) -> String,
) -> Result<(), Failure> {
    let (ids, mut told) = chosen(session, which);
    let downloads = session.node.downloads().clone();
    let mut changed = Vec::with_capacity(ids.len());
    for id in ids {
        match (make(&downloads, id), downloads.watch(id)) {
            (Change::NotUnderWay, _) | (_, None) => {
                told = Err(session.told(&Failure::NoDownload { number: id.0 }));
            }
            (change, Some(view)) => changed.push((view, change)),
        }
    }
    let all_show = async {
        for (view, _) in &mut changed {
            let _ = view.wait_for(|view| shows(&view.state) || view.state.is_over()).await;
        }
    };
    // One that takes longer is still going to do it.
    let _ = tokio::time::timeout(SETTLING, all_show).await;
    for (view, change) in changed {
        let text = tell(&downloads.ranked(view.borrow().clone()), change);
        session.output.line(text)?;
    }
    told
}

fn paused(view: &DownloadView, change: Change) -> String {
    let name = display_safe(&view.name);
    match (change, view.size) {
        (Change::Needless, _) => format!("{name}: paused already"),
        _ if view.state.is_over() => super::download::ended(view),
        (_, Some(size)) if view.bytes_done > 0 => {
            format!("{name}: paused at {}%", percent(view.bytes_done, size))
        }
        _ => format!("{name}: paused"),
    }
}

fn resumed(view: &DownloadView, change: Change) -> String {
    let name = display_safe(&view.name);
    match change {
        Change::Needless => format!("{name}: not paused"),
        _ if view.state.is_over() => super::download::ended(view),
        _ => format!("{name}: goes on{}", queued(view)),
    }
}
