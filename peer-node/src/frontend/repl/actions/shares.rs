use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::units::DisplaySize;

use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, expand_tilde, home_dir};
use crate::library::{LeftOutFile, MAX_LEFT_OUT, ShareCount, ShareOverview, SharedPlace};

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
    let overview = session.node.library().overview();
    let wanted = match of {
        None | Some("all") => PathBuf::from("/"),
        Some(path) => find_place(session, &overview, path)?,
    };
    if !session.output.is_for_person() {
        let counts = overview.counts(&session.node.library().files());
        return Ok(session.output.lines(script_lines(&overview, counts, &wanted))?);
    }
    if of.is_none() { show_summary(session, &overview) } else { show_left_out(session, &overview, &wanted) }
}

/// Returns the shared places, the patterns, and what is left out of one place, as lines for scripts.
fn script_lines(overview: &ShareOverview, counts: Vec<ShareCount>, wanted: &Path) -> Vec<String> {
    let pattern = |folder: &str, pattern: &str| format!("pattern\t{folder}\t{}", display_safe(pattern));
    let everywhere = overview.global_patterns.iter().map(|of| pattern("", of));
    let given = overview.places.iter().flat_map(|place| &place.patterns);
    let given = given.map(|of| pattern(&display_path(&of.folder), &of.pattern));
    let left_out = overview.left_out_beneath(wanted);
    let left_out =
        left_out.map(|file| format!("left out\t{}\t{}", display_path(&file.location), file.reason));
    let places = overview.places.iter().zip(counts).map(|(place, count)| place_line(place, count));
    places.chain(everywhere).chain(given).chain(left_out).collect()
}

fn place_line(place: &SharedPlace, count: ShareCount) -> String {
    let ShareCount { files, bytes, left_out } = count;
    let name = place.name.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("folder\t{}\t{name}\t{files}\t{bytes}\t{left_out}", display_path(&place.location))
}

/// Shows every shared place with counts, then the reasons for what is left out, with a few examples.
fn show_summary(session: &mut ReplSession, overview: &ShareOverview) -> Result<(), CommandError> {
    let counts = overview.counts(&session.node.library().files());
    let row = |(place, count): (&SharedPlace, &ShareCount)| {
        let name = place.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let left_out = if count.left_out > 0 { count.left_out.to_string() } else { String::new() };
        [
            count.files.to_string(),
            DisplaySize(count.bytes).to_string(),
            left_out,
            display_path(&place.location),
            name,
        ]
    };
    let rows: Vec<_> = overview.places.iter().zip(&counts).map(row).collect();
    let (width, look) = (session.output.width(), session.output.look());
    let mut lines = lay_out(&TABLE, &rows, width, look);
    for pattern in &overview.global_patterns {
        lines.push(format!("excluded everywhere: {}", display_safe(pattern)));
    }
    for of in overview.places.iter().flat_map(|place| &place.patterns) {
        lines.push(format!("excluded in {}: {}", display_path(&of.folder), display_safe(&of.pattern)));
    }
    for (label, number) in overview.counts_by_reason() {
        let files: Vec<&LeftOutFile> =
            overview.left_out.iter().filter(|file| file.reason.label() == label).collect();
        lines.push(look.paint(Style::Warning, &format!("left out, {label}: {number}")));
        lines.extend(files.iter().take(MAX_EXAMPLES).map(|file| left_out_line(file)));
        if let Some(more) = files.len().checked_sub(MAX_EXAMPLES).filter(|more| *more > 0) {
            lines.push(look.paint(Style::Faint, &format!("  … and {more} more; shares all lists them")));
        }
    }
    Ok(session.output.lines(lines)?)
}

/// Shows everything that is left out of a place.
fn show_left_out(
    session: &mut ReplSession,
    overview: &ShareOverview,
    place: &Path,
) -> Result<(), CommandError> {
    let mut lines: Vec<String> = overview.left_out_beneath(place).map(left_out_line).collect();
    if lines.is_empty() {
        lines.push("nothing is left out".to_owned());
    }
    if overview.is_truncated {
        lines.push(format!("there are more; only the first {MAX_LEFT_OUT} are recorded"));
    }
    Ok(session.output.lines(lines)?)
}

fn left_out_line(file: &LeftOutFile) -> String {
    format!("  {}: {}", display_path(&file.location), file.reason)
}

/// Finds a shared place by its path or by its name on the network.
fn find_place(session: &ReplSession, overview: &ShareOverview, path: &str) -> Result<PathBuf, CommandError> {
    let name = path.trim_end_matches('/');
    let is_named = |place: &&SharedPlace| place.name.as_ref().is_some_and(|of| of.as_str() == name);
    if let Some(place) = overview.places.iter().find(is_named) {
        return Ok(place.location.clone());
    }
    let typed = expand_tilde(path, home_dir().as_deref());
    let in_working_dir = std::env::current_dir().unwrap_or_default().join(&typed);
    let candidates = [in_working_dir, session.node.share_dir().join(&typed)];
    let canonical = candidates.iter().filter_map(|path| path.canonicalize().ok());
    let is_shared = |path: &PathBuf| overview.places.iter().any(|place| path.starts_with(&place.location));
    canonical.into_iter().find(is_shared).ok_or_else(|| CommandError::not_found(path))
}

/// Returns how much is left out and why; `None` if nothing is.
pub(crate) fn left_out_text(overview: &ShareOverview) -> Option<String> {
    Some(format!("{}; see shares", overview.summary()?))
}
