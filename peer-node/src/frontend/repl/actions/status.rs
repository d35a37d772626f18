use protocol::escape::display_safe;
use protocol::units::{DisplayDuration, DisplaySize};
use std::net::SocketAddr;
use std::time::Duration;

use super::limit::limits_text;
use super::shares::left_out_text;
use crate::discovery::index_client::IndexStatus;
use crate::frontend::console::look::Style;
use crate::frontend::console::progress_bar::percent;
use crate::frontend::console::text_width::pad;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::reachability_text::unreachable_reason;
use crate::frontend::repl::session::{ReplSession, display_path, pluralize};
use crate::library::HashingProgress;
use crate::node::Node;
use protocol::index::Statistics;

/// The width of the column of headings.
const HEADING_WIDTH: usize = 11;

/// Shows the state of the node and of its connection to the index.
pub(super) async fn show_status(session: &mut ReplSession) -> Result<(), CommandError> {
    let status = session.node.index().status().borrow().clone();
    let statistics = match status {
        IndexStatus::Online { .. } => session.node.index().statistics().await.ok(),
        _ => None,
    };
    let mut lines = vec![
        ("node", session.node.node_id().to_string()),
        ("listening", session.node.address().to_string()),
        ("folder", display_path(session.node.share_dir())),
    ];
    lines.extend(index_lines(session.node.address(), &display_safe(&session.index_address), &status));
    lines.extend(neighbours_text(&session.node).map(|text| ("lan", text)));
    lines.extend(statistics.map(|statistics| ("network", network_text(&statistics))));
    let files = session.node.library().files();
    let shared = format!("{}, {}", pluralize(files.len() as u64, "file"), DisplaySize(files.total_bytes()));
    lines.push(("shared", shared));
    lines.extend(left_out_text(&session.node.library().overview()).map(|text| ("left out", text)));
    let health = session.node.state().health();
    lines.extend(health.borrow().warning().map(|warning| ("state folder", warning)));
    lines.extend(health.borrow().problems().map(|problem| ("trouble", display_safe(&problem).into_owned())));
    lines.extend(hashing_text(&session.node.library().hashing().borrow()).map(|text| ("hashing", text)));
    let downloads = pluralize(session.node.downloads().running_count() as u64, "download");
    let uploads = pluralize(session.node.uploads().len() as u64, "upload");
    lines.push(("transfers", format!("{downloads}, {uploads} under way")));
    lines.extend(limits_text(&session.node).map(|text| ("limits", text)));
    let totals = session.node.totals();
    let (sent, received) = (DisplaySize(totals.sent), DisplaySize(totals.received));
    let peers = pluralize(totals.peers as u64, "peer");
    lines.push(("totals", format!("{sent} sent, {received} received, {peers} connected")));

    let (look, is_person) = (session.output.look(), session.output.is_for_person());
    let show = |(heading, text): (&str, String)| {
        if is_person {
            format!("{}{text}", look.paint(Style::Faint, &pad(heading, HEADING_WIDTH)))
        } else {
            format!("{heading}\t{text}")
        }
    };
    Ok(session.output.lines(lines.into_iter().map(show))?)
}

/// Returns the state of the connection to the index, and how the index sees this node.
fn index_lines(own: SocketAddr, index: &str, status: &IndexStatus) -> Vec<(&'static str, String)> {
    let IndexStatus::Online { seen_address: you, reachable, registered, synced, trouble, .. } = status else {
        return vec![("index", format!("{index}, {status}"))];
    };
    let reached = match unreachable_reason(own, *you, reachable) {
        Some(reason) => format!("not reachable: {reason}"),
        None => reachable.to_string(),
    };
    let mut files = pluralize(u64::from(*registered), "file");
    match (trouble, synced) {
        (Some(trouble), _) => files = format!("{files}; {trouble}"),
        (None, true) => {}
        (None, false) => files.push_str(", more on their way"),
    }
    vec![
        ("index", format!("{index}, connected")),
        ("seen as", format!("{you}, {reached}")),
        ("registered", files),
    ]
}

/// Returns how many nodes were discovered on the local network, with the fault if there is one; `None` without `--lan`.
fn neighbours_text(node: &Node) -> Option<String> {
    let neighbours = node.neighbours()?;
    let discovered = format!("{} discovered", pluralize(neighbours.count() as u64, "node"));
    let cannot_listen =
        neighbours.receive_error().map(|why| format!("{why}; choose another with --lan-port"));
    let troubles = [cannot_listen, neighbours.announce_error()].into_iter().flatten();
    Some(troubles.fold(discovered, |text, trouble| format!("{text}; {}", display_safe(&trouble))))
}

fn network_text(statistics: &Statistics) -> String {
    format!(
        "{} online, {}, {}, {}; index up for {}",
        pluralize(u64::from(statistics.online), "peer"),
        pluralize(statistics.files, "file"),
        pluralize(statistics.contents, "content"),
        DisplaySize(statistics.bytes),
        DisplayDuration(Duration::from_secs(statistics.uptime)),
    )
}

/// Returns the progress of hashing; `None` if everything is hashed.
pub(crate) fn hashing_text(hashing: &HashingProgress) -> Option<String> {
    if hashing.files_left == 0 {
        return (!hashing.is_settled).then(|| "scanning the folder".to_owned());
    }
    let files = pluralize(hashing.files_left as u64, "file");
    let done = format!(
        "{files} left, {}% of {}",
        percent(hashing.bytes_done, hashing.bytes_total),
        DisplaySize(hashing.bytes_total)
    );
    Some(match &hashing.current {
        Some(current) => format!("hashing: {done}, {}", display_safe(current)),
        None => format!("hashing: {done}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_progress_is_shown_until_done() {
        let mut hashing = HashingProgress {
            files_left: 2,
            bytes_done: 1,
            bytes_total: 4,
            current: None,
            is_settled: false,
        };
        assert_eq!(hashing_text(&hashing).unwrap(), "hashing: 2 files left, 25% of 4 B");
        hashing.current = Some("a\u{1b}".into());
        assert!(hashing_text(&hashing).unwrap().ends_with("4 B, a\\u{1b}"));
        (hashing.files_left, hashing.is_settled) = (0, true);
        assert_eq!(hashing_text(&hashing), None);
    }
}
