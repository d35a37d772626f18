use std::time::Duration;

use protocol::units::{DisplayDuration, DisplaySize};

use super::limit::limits_text;
use super::shares::left_out_text;
use crate::frontend::console::look::Style;
use crate::frontend::console::progress_bar::percent;
use crate::frontend::console::text_width::pad;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::reachability_text::reachability_text;
use crate::frontend::repl::session::{ReplSession, pluralize};
use crate::operations::display_text::DisplayText;
use crate::operations::index_state::{IndexConnection, IndexState};
use crate::operations::status::{HashingStatus, NeighbourStatus, NetworkStatistics, NodeStatus};

/// The width of the column of headings.
const HEADING_WIDTH: usize = 11;

/// Shows the state of the node and of its connection to the index.
pub(super) async fn show_status(session: &mut ReplSession) -> Result<(), CommandError> {
    let status = session.operations.status().await;
    let index = DisplayText::new(&session.index_address);
    let lines = status_lines(&status, index.as_str());
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

/// Returns the lines of the status, each with its heading.
fn status_lines(status: &NodeStatus, index: &str) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("node", status.identity.node.to_string()),
        ("listening", status.identity.address.to_string()),
        ("folder", status.identity.folder.to_string()),
    ];
    lines.extend(index_lines(index, &status.index));
    lines.extend(status.neighbours.as_ref().map(|neighbours| ("lan", neighbours_text(neighbours))));
    lines.extend(status.network.as_ref().map(|network| ("network", network_text(network))));
    let library = &status.library;
    let shared = format!("{}, {}", pluralize(library.files, "file"), DisplaySize(library.bytes));
    lines.push(("shared", shared));
    lines.extend(library.left_out.as_ref().map(|left_out| ("left out", left_out_text(left_out))));
    let folder = &status.state_folder;
    lines.extend(folder.warning.as_ref().map(|warning| ("state folder", warning.to_string())));
    lines.extend(folder.problems.iter().map(|problem| ("trouble", problem.to_string())));
    lines.extend(hashing_text(&library.hashing).map(|text| ("hashing", text)));
    let transfers = &status.transfers;
    let downloads = pluralize(transfers.downloads as u64, "download");
    let uploads = pluralize(transfers.uploads as u64, "upload");
    lines.push(("transfers", format!("{downloads}, {uploads} under way")));
    lines.extend(limits_text(&status.limits).map(|text| ("limits", text)));
    let (sent, received) = (DisplaySize(transfers.sent), DisplaySize(transfers.received));
    let peers = pluralize(transfers.peers as u64, "peer");
    lines.push(("totals", format!("{sent} sent, {received} received, {peers} connected")));
    lines
}

/// Returns the state of the connection to the index, and how the index sees this node.
fn index_lines(index: &str, state: &IndexState) -> Vec<(&'static str, String)> {
    let IndexConnection::Online { seen_address, reachability, registered, is_synced, problem } =
        &state.connection
    else {
        return vec![("index", format!("{index}, {}", state.message))];
    };
    let mut files = pluralize(u64::from(*registered), "file");
    match (problem, is_synced) {
        (Some(problem), _) => files = format!("{files}; {}", problem.message),
        (None, true) => {}
        (None, false) => files.push_str(", more on their way"),
    }
    vec![
        ("index", format!("{index}, connected")),
        ("seen as", format!("{seen_address}, {}", reachability_text(reachability))),
        ("registered", files),
    ]
}

/// Returns how many nodes were discovered on the local network, with the fault if there is one.
fn neighbours_text(neighbours: &NeighbourStatus) -> String {
    let discovered = format!("{} discovered", pluralize(neighbours.count as u64, "node"));
    let cannot_listen =
        neighbours.receive_error.as_ref().map(|error| format!("{error}; choose another with --lan-port"));
    let announce_error = neighbours.announce_error.as_ref().map(ToString::to_string);
    let troubles = [cannot_listen, announce_error].into_iter().flatten();
    troubles.fold(discovered, |text, trouble| format!("{text}; {trouble}"))
}

fn network_text(network: &NetworkStatistics) -> String {
    format!(
        "{} online, {}, {}, {}; index up for {}",
        pluralize(u64::from(network.online), "peer"),
        pluralize(network.files, "file"),
        pluralize(network.contents, "content"),
        DisplaySize(network.bytes),
        DisplayDuration(Duration::from_secs(network.index_uptime)),
    )
}

/// Returns the progress of hashing; `None` if everything is hashed.
pub(crate) fn hashing_text(hashing: &HashingStatus) -> Option<String> {
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
        Some(current) => format!("hashing: {done}, {current}"),
        None => format!("hashing: {done}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_progress_is_shown_until_done() {
        let mut hashing =
            HashingStatus { files_left: 2, bytes_done: 1, bytes_total: 4, current: None, is_settled: false };
        assert_eq!(hashing_text(&hashing).unwrap(), "hashing: 2 files left, 25% of 4 B");
        hashing.current = Some(DisplayText::new("a\u{1b}"));
        assert!(hashing_text(&hashing).unwrap().ends_with("4 B, a\\u{1b}"));
        (hashing.files_left, hashing.is_settled) = (0, true);
        assert_eq!(hashing_text(&hashing), None);
    }
}
