//! What a person is told first.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;

use super::actions::{hashing_text, left_out_text};
use super::look::Style;
use super::notices::ReportedIndexState;
use super::output::OutputError;
use super::reachability_text::unreachable_reason;
use super::session::{ReplSession, display_path, pluralize};
use crate::index_client::{IndexStatus, Reachability};
use crate::view::{DownloadState, DownloadView};

/// How long the first lines wait for the index and the library; most of the time both are there at once.
const STATUS_TIMEOUT: Duration = Duration::from_millis(700);

/// Beyond so many downloads of an earlier run, their end is reported once.
const MAX_UNGROUPED: usize = 5;

/// Shows who and where this node is, and returns what was told of the index and whether hashing goes on.
pub(crate) async fn show_banner(
    session: &mut ReplSession,
) -> Result<(ReportedIndexState, bool), OutputError> {
    let mut index = session.node.index().status();
    let library = session.node.library().clone();
    let known = async {
        library.settled().await;
        let _ = index.wait_for(is_known).await;
    };
    let _ = tokio::time::timeout(STATUS_TIMEOUT, known).await;
    let look = session.output.look();
    let status = session.node.index().status().borrow().clone();
    let hashing = hashing_text(&library.hashing().borrow());
    let files = library.files();
    let shared = match &hashing {
        Some(hashing) => hashing.clone(),
        None => format!("{}, {}", pluralize(files.len() as u64, "file"), DisplaySize(files.total_bytes())),
    };
    let (told, text) = index_banner(session.node.address(), &status);
    let title = format!("peer {}", session.node.node_id().short());
    let index = display_safe(&session.index_address).into_owned();
    let mut lines = vec![
        format!("{} at {}", look.paint(Style::Strong, &title), session.node.address()),
        format!("sharing {} ({shared})", display_path(session.node.share_dir())),
    ];
    lines.extend(left_out_text(&library.overview()).map(|text| look.paint(Style::Warning, &text)));
    lines.push(format!("index {index}: {text}"));
    let going_on: Vec<_> = session.node.downloads().views();
    let going_on = going_on.into_iter().filter(|view| !view.state.is_over()).collect::<Vec<_>>();
    lines.extend(resumed_downloads_text(&going_on));
    lines.push(look.paint(Style::Faint, "help shows the commands, Ctrl-D leaves"));
    session.output.lines(lines)?;
    let ids: Vec<_> = going_on.iter().map(|view| view.id).collect();
    if ids.len() > MAX_UNGROUPED {
        session.background.add_group("what was under way".to_owned(), None, ids);
    } else {
        for id in ids {
            session.background.add(id);
        }
    }
    if let Some(trouble) = session.node.downloads().list_error() {
        session.output.warning(trouble);
    }
    Ok((told, hashing.is_some()))
}

/// Says how many downloads of an earlier run go on, if any do.
fn resumed_downloads_text(views: &[DownloadView]) -> Option<String> {
    let paused = views.iter().filter(|view| view.state == DownloadState::Paused).count() as u64;
    let others = views.len() as u64 - paused;
    let go = if others == 1 { "goes" } else { "go" };
    match (others, paused) {
        (0, 0) => None,
        (0, paused) => Some(format!("{} paused; see transfers", pluralize(paused, "download"))),
        (others, 0) => Some(format!("{} {go} on; see transfers", pluralize(others, "download"))),
        (others, paused) => {
            Some(format!("{} {go} on, {paused} paused; see transfers", pluralize(others, "download")))
        }
    }
}

fn is_known(status: &IndexStatus) -> bool {
    !matches!(
        status,
        IndexStatus::Connecting { .. } | IndexStatus::Online { reachable: Reachability::Unknown, .. }
    )
}

fn index_banner(own: SocketAddr, status: &IndexStatus) -> (ReportedIndexState, String) {
    match status {
        IndexStatus::Online { seen_address: you, reachable, .. } => {
            let (reached, text) = match reachable {
                Reachability::Unknown => (None, format!("connected as {you}")),
                Reachability::Yes => (Some(true), format!("connected, others can reach this node at {you}")),
                Reachability::No { .. } => {
                    let reason = unreachable_reason(own, *you, reachable).unwrap_or_default();
                    (Some(false), format!("connected as {you}, but others cannot reach this node: {reason}"))
                }
            };
            (ReportedIndexState::Online(reached), text)
        }
        IndexStatus::Offline { error, .. } => {
            let error = display_safe(error);
            (
                ReportedIndexState::Offline,
                format!("not connected ({error}); serving without it, and it is tried again by itself"),
            )
        }
        other => (ReportedIndexState::NotReported, other.to_string()),
    }
}
