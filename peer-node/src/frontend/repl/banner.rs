//! The first lines that a person sees.

use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;
use tokio::time::Instant;

use super::actions::{hashing_text, left_out_text};
use super::notices::ShownIndexState;
use super::reachability_text::unreachable_reason;
use super::session::{ReplSession, pluralize};
use crate::frontend::console::look::Style;
use crate::frontend::console::output::OutputError;
use crate::operations::Download;
use crate::operations::index_state::{IndexConnection, IndexState, NodeReachability};
use crate::operations::readiness::ReadyFor;
use crate::view::DownloadState;

/// Maximum time that the first lines wait for the index and the library; usually both are ready at once.
const STATUS_TIMEOUT: Duration = Duration::from_millis(700);

/// Beyond this number, the end of resumed downloads is reported in one notice.
const MAX_UNGROUPED: usize = 5;

/// Shows the identity, address and state of this node. Returns the shown state of the index, and true if files are being
/// hashed.
pub(crate) async fn show_banner(session: &mut ReplSession) -> Result<(ShownIndexState, bool), OutputError> {
    let operations = session.operations.clone();
    operations.ready(ReadyFor::Summary, Instant::now() + STATUS_TIMEOUT).await;
    let look = session.output.look();
    let (identity, library) = (operations.identity(), operations.library_status());
    let hashing = hashing_text(&library.hashing);
    let shared = match &hashing {
        Some(hashing) => hashing.clone(),
        None => format!("{}, {}", pluralize(library.files, "file"), DisplaySize(library.bytes)),
    };
    let (shown, text) = index_banner(&operations.index_state());
    let title = format!("peer {}", identity.node.short());
    let index = display_safe(&session.index_address).into_owned();
    let mut lines = vec![
        format!("{} at {}", look.paint(Style::Strong, &title), identity.address),
        format!("sharing {} ({shared})", identity.folder),
    ];
    let left_out = library.left_out.as_ref().map(left_out_text);
    lines.extend(left_out.map(|text| look.paint(Style::Warning, &text)));
    lines.push(format!("index {index}: {text}"));
    let mut unfinished = operations.downloads();
    unfinished.retain(|view| !view.state.is_over());
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
    if let Some(error) = session.operations.list_error() {
        session.output.warning(error);
    }
    Ok((shown, hashing.is_some()))
}

/// Returns how many downloads of an earlier run were resumed or are paused; `None` if there are none.
fn resumed_downloads_text(views: &[Download]) -> Option<String> {
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

fn index_banner(state: &IndexState) -> (ShownIndexState, String) {
    match &state.connection {
        IndexConnection::Online { seen_address: seen, reachability, .. } => match reachability {
            NodeReachability::Unknown => (ShownIndexState::Unknown, format!("connected as {seen}")),
            NodeReachability::Reachable => {
                (ShownIndexState::Reachable, format!("connected, others can reach this node at {seen}"))
            }
            NodeReachability::Unreachable(cause) => (
                ShownIndexState::Unreachable,
                format!(
                    "connected as {seen}, but others cannot reach this node: {}",
                    unreachable_reason(cause)
                ),
            ),
        },
        IndexConnection::Offline { error } => {
            (ShownIndexState::Offline, format!("not connected: {error}; reconnecting"))
        }
        IndexConnection::Connecting { .. } | IndexConnection::Stopped => {
            (ShownIndexState::Unknown, state.message.to_string())
        }
    }
}
