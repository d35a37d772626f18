//! The first lines that a person sees.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;

use super::actions::{hashing_text, left_out_text};
use super::notices::ReportedIndexState;
use super::reachability_text::unreachable_reason;
use super::session::{ReplSession, display_path, pluralize};
use crate::discovery::index_client::{IndexStatus, Reachability};
use crate::frontend::console::look::Style;
use crate::frontend::console::output::OutputError;
use crate::view::{DownloadState, DownloadView};

/// Maximum time that the first lines wait for the index and the library; usually both are ready at once.
const STATUS_TIMEOUT: Duration = Duration::from_millis(700);

/// Beyond this number, the end of resumed downloads is reported in one notice.
const MAX_UNGROUPED: usize = 5;

/// Shows the identity, address and state of this node. Returns the reported state of the index, and true if files are being
/// hashed.
pub(crate) async fn show_banner(
    session: &mut ReplSession,
) -> Result<(ReportedIndexState, bool), OutputError> {
    let mut index = session.node.index().status();
    let library = session.node.library().clone();
    let ready = async {
        library.settled().await;
        let _ = index.wait_for(is_known).await;
    };
    let _ = tokio::time::timeout(STATUS_TIMEOUT, ready).await;
    let look = session.output.look();
    let status = session.node.index().status().borrow().clone();
    let hashing = hashing_text(&library.hashing().borrow());
    let files = library.files();
    let shared = match &hashing {
        Some(hashing) => hashing.clone(),
        None => format!("{}, {}", pluralize(files.len() as u64, "file"), DisplaySize(files.total_bytes())),
    };
    let (reported, text) = index_banner(session.node.address(), &status);
    let title = format!("peer {}", session.node.node_id().short());
    let index = display_safe(&session.index_address).into_owned();
    let mut lines = vec![
        format!("{} at {}", look.paint(Style::Strong, &title), session.node.address()),
        format!("sharing {} ({shared})", display_path(session.node.share_dir())),
    ];
    lines.extend(left_out_text(&library.overview()).map(|text| look.paint(Style::Warning, &text)));
    lines.push(format!("index {index}: {text}"));
    let unfinished: Vec<_> = session.node.downloads().views();
    let unfinished = unfinished.into_iter().filter(|view| !view.state.is_over()).collect::<Vec<_>>();
    lines.extend(resumed_downloads_text(&unfinished));
    lines.push(look.paint(Style::Faint, "type help for the commands, Ctrl-D to quit"));
    session.output.lines(lines)?;
    let ids: Vec<_> = unfinished.iter().map(|view| view.id).collect();
    if ids.len() > MAX_UNGROUPED {
        session.background.add_group("resumed downloads".to_owned(), None, ids);
    } else {
        for id in ids {
            session.background.add(id);
        }
    }
    if let Some(error) = session.node.downloads().list_error() {
        session.output.warning(error);
    }
    Ok((reported, hashing.is_some()))
}

/// Returns how many downloads of an earlier run were resumed or are paused; `None` if there are none.
fn resumed_downloads_text(views: &[DownloadView]) -> Option<String> {
    let paused = views.iter().filter(|view| view.state == DownloadState::Paused).count() as u64;
    let resumed = views.len() as u64 - paused;
    match (resumed, paused) {
        (0, 0) => None,
        (0, paused) => Some(format!("{} paused; see transfers", pluralize(paused, "download"))),
        (resumed, 0) => Some(format!("{} resumed; see transfers", pluralize(resumed, "download"))),
        (resumed, paused) => {
            Some(format!("{} resumed, {paused} paused; see transfers", pluralize(resumed, "download")))
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
        IndexStatus::Online { seen_address: seen, reachable, .. } => {
            let (is_reachable, text) = match reachable {
                Reachability::Unknown => (None, format!("connected as {seen}")),
                Reachability::Yes => (Some(true), format!("connected, others can reach this node at {seen}")),
                Reachability::No { .. } => {
                    let reason = unreachable_reason(own, *seen, reachable).unwrap_or_default();
                    (Some(false), format!("connected as {seen}, but others cannot reach this node: {reason}"))
                }
            };
            (ReportedIndexState::Online(is_reachable), text)
        }
        IndexStatus::Offline { error, .. } => {
            let error = display_safe(error);
            (ReportedIndexState::Offline, format!("not connected: {error}; reconnecting"))
        }
        other => (ReportedIndexState::NotReported, other.to_string()),
    }
}
