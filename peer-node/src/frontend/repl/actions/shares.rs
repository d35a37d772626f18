use std::path::PathBuf;

use protocol::units::DisplaySize;

use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, expand_tilde, home_dir};
use crate::operations::left_out::{LeftOutPath, LeftOutSummary};
use crate::operations::shares::{SharedFolder, SharedFolders};

const TABLE: [TableColumn; 5] = [
    TableColumn::right("files", Style::Plain, 0),
    TableColumn::right("size", Style::Plain, 1),
    TableColumn::right("left out", Style::Warning, 2),
    TableColumn::path("folder"),
    TableColumn::left("as", Style::Faint, 3),
];

/// The number of examples per reason shown to a person.
const MAX_EXAMPLES: usize = 3;

/// Lists the shared folders, and what they leave out.
pub(super) fn list_shares(session: &mut ReplSession, of: Option<&str>) -> Result<(), CommandError> {
    let within = match of {
        None | Some("all") => None,
        Some(path) => Some(find_place(session, path)?),
    };
    let shares = session.operations.shared_folders(within.as_deref());
    let lines = match of {
        _ if !session.output.is_for_person() => script_lines(&shares),
        None => summary_lines(session, &shares),
        Some(_) => left_out_lines(&shares),
    };
    Ok(session.output.lines(lines)?)
}

/// Returns the shared places, the patterns, and what is left out of one place, as lines for scripts.
fn script_lines(shares: &SharedFolders) -> Vec<String> {
    let everywhere = shares.excluded_everywhere.iter().map(|pattern| format!("pattern\t\t{pattern}"));
    let excluded = shares.folders.iter().flat_map(|folder| &folder.excluded);
    let excluded = excluded.map(|of| format!("pattern\t{}\t{}", of.folder, of.pattern));
    let left_out = shares.left_out.iter();
    let left_out = left_out.map(|left_out| format!("left out\t{}\t{}", left_out.path, left_out.reason));
    shares.folders.iter().map(folder_line).chain(everywhere).chain(excluded).chain(left_out).collect()
}

fn folder_line(folder: &SharedFolder) -> String {
    let SharedFolder { path, files, bytes, left_out, .. } = folder;
    format!("folder\t{path}\t{}\t{files}\t{bytes}\t{left_out}", network_name(folder))
}

fn network_name(folder: &SharedFolder) -> String {
    folder.name.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Returns every shared place with counts, then the reasons for what is left out, with a few examples.
fn summary_lines(session: &ReplSession, shares: &SharedFolders) -> Vec<String> {
    let row = |folder: &SharedFolder| {
        let left_out = if folder.left_out > 0 { folder.left_out.to_string() } else { String::new() };
        let (files, size) = (folder.files.to_string(), DisplaySize(folder.bytes).to_string());
        [files, size, left_out, folder.path.to_string(), network_name(folder)]
    };
    let rows: Vec<_> = shares.folders.iter().map(row).collect();
    let (width, look) = (session.output.width(), session.output.look());
    let mut lines = lay_out(&TABLE, &rows, width, look);
    lines.extend(shares.excluded_everywhere.iter().map(|pattern| format!("excluded everywhere: {pattern}")));
    for of in shares.folders.iter().flat_map(|folder| &folder.excluded) {
        lines.push(format!("excluded in {}: {}", of.folder, of.pattern));
    }
    for reason in shares.summary.iter().flat_map(|summary| &summary.reasons) {
        let examples: Vec<_> = shares.left_out.iter().filter(|file| file.label == reason.label).collect();
        lines.push(look.paint(Style::Warning, &format!("left out, {}: {}", reason.label, reason.count)));
        lines.extend(examples.iter().take(MAX_EXAMPLES).map(|file| left_out_line(file)));
        if let Some(more) = examples.len().checked_sub(MAX_EXAMPLES).filter(|more| *more > 0) {
            lines.push(look.paint(Style::Faint, &format!("  … and {more} more; shares all lists them")));
        }
    }
    lines
}

/// Returns everything that is left out of a place.
fn left_out_lines(shares: &SharedFolders) -> Vec<String> {
    let mut lines: Vec<String> = shares.left_out.iter().map(left_out_line).collect();
    if lines.is_empty() {
        lines.push("nothing is left out".to_owned());
    }
    if let Some(limit) = shares.truncated_at {
        lines.push(format!("there are more; only the first {limit} are recorded"));
    }
    lines
}

fn left_out_line(left_out: &LeftOutPath) -> String {
    format!("  {}: {}", left_out.path, left_out.reason)
}

/// Finds a shared place by its path or by its name on the network.
fn find_place(session: &ReplSession, name: &str) -> Result<PathBuf, CommandError> {
    let path = expand_tilde(name, home_dir().as_deref());
    let working_dir = std::env::current_dir().unwrap_or_default();
    let found = session.operations.find_shared_place(name, &path, &working_dir);
    found.ok_or_else(|| CommandError::not_found(name))
}

/// Returns how much is left out and why.
pub(crate) fn left_out_text(left_out: &LeftOutSummary) -> String {
    format!("{}; see shares", left_out.message)
}
