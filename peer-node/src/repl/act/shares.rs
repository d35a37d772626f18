use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::units::Size;

use crate::library::{LeftOutFile, MAX_LEFT_OUT, ShareCount, ShareOverview, SharedPlace};
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::{Session, home, show_path, user_path};
use crate::repl::table::{Column, lay_out};

const TABLE: [Column; 5] = [
    Column::right("files", Style::Plain, 0),
    Column::right("size", Style::Plain, 1),
    Column::right("left out", Style::Warning, 2),
    Column::path("folder"),
    Column::left("as", Style::Faint, 3),
];

/// How many examples a person is shown for each reason.
const EXAMPLES: usize = 3;

/// Lists the shared folders, and what is left out.
pub(super) fn shares(session: &mut Session, of: Option<&str>) -> Result<(), Failure> {
    let overview = session.node.library().overview();
    let wanted = match of {
        None | Some("all") => PathBuf::from("/"),
        Some(path) => meant(session, &overview, path)?,
    };
    if !session.output.is_for_person() {
        let counts = overview.count(&session.node.library().files());
        return Ok(session.output.lines(script_lines(&overview, counts, &wanted))?);
    }
    if of.is_none() { summary(session, &overview) } else { everything(session, &overview, &wanted) }
}

/// Returns the places, the patterns, and what is left out of the wanted place, field by field.
fn script_lines(overview: &ShareOverview, counts: Vec<ShareCount>, wanted: &Path) -> Vec<String> {
    let pattern = |folder: &str, pattern: &str| format!("pattern\t{folder}\t{}", display_safe(pattern));
    let everywhere = overview.patterns_everywhere.iter().map(|of| pattern("", of));
    let given = overview.places.iter().flat_map(|place| &place.patterns);
    let given = given.map(|of| pattern(&show_path(&of.folder), &of.pattern));
    let left_out = overview.left_out_beneath(wanted);
    let left_out = left_out.map(|file| format!("left out\t{}\t{}", show_path(&file.location), file.reason));
    let places = overview.places.iter().zip(counts).map(|(place, count)| place_line(place, count));
    places.chain(everywhere).chain(given).chain(left_out).collect()
}

fn place_line(place: &SharedPlace, count: ShareCount) -> String {
    let ShareCount { files, bytes, left_out } = count;
    let name = place.name.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("folder\t{}\t{name}\t{files}\t{bytes}\t{left_out}", show_path(&place.location))
}

/// Shows every place with counts, then why something is left out, with a few examples.
fn summary(session: &mut Session, overview: &ShareOverview) -> Result<(), Failure> {
    let counts = overview.count(&session.node.library().files());
    let row = |(place, count): (&SharedPlace, &ShareCount)| {
        let name = place.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let left_out = if count.left_out > 0 { count.left_out.to_string() } else { String::new() };
        [count.files.to_string(), Size(count.bytes).to_string(), left_out, show_path(&place.location), name]
    };
    let rows: Vec<_> = overview.places.iter().zip(&counts).map(row).collect();
    let (width, look) = (session.output.width(), session.output.look());
    let mut lines = lay_out(&TABLE, &rows, width, look);
    for pattern in &overview.patterns_everywhere {
        lines.push(format!("excluded everywhere: {}", display_safe(pattern)));
    }
    for of in overview.places.iter().flat_map(|place| &place.patterns) {
        lines.push(format!("excluded in {}: {}", show_path(&of.folder), display_safe(&of.pattern)));
    }
    for (label, number) in overview.reasons() {
        let files: Vec<&LeftOutFile> =
            overview.left_out.iter().filter(|file| file.reason.label() == label).collect();
        lines.push(look.paint(Style::Warning, &format!("left out, {label}: {number}")));
        lines.extend(files.iter().take(EXAMPLES).map(|file| left_out_line(file)));
        if let Some(more) = files.len().checked_sub(EXAMPLES).filter(|more| *more > 0) {
            lines.push(look.paint(Style::Faint, &format!("  … and {more} more; shares all lists them")));
        }
    }
    Ok(session.output.lines(lines)?)
}

/// Shows everything that is left out of a place.
fn everything(session: &mut Session, overview: &ShareOverview, place: &Path) -> Result<(), Failure> {
    let mut lines: Vec<String> = overview.left_out_beneath(place).map(left_out_line).collect();
    if lines.is_empty() {
        lines.push("nothing is left out".to_owned());
    }
    if overview.is_cut {
        lines.push(format!("there are more; only {MAX_LEFT_OUT} are remembered"));
    }
    Ok(session.output.lines(lines)?)
}

fn left_out_line(file: &LeftOutFile) -> String {
    format!("  {}: {}", show_path(&file.location), file.reason)
}

/// Finds the place that a person means, by its path or by its name on the network.
fn meant(session: &Session, overview: &ShareOverview, path: &str) -> Result<PathBuf, Failure> {
    let name = path.trim_end_matches('/');
    let is_named = |place: &&SharedPlace| place.name.as_ref().is_some_and(|of| of.as_str() == name);
    if let Some(place) = overview.places.iter().find(is_named) {
        return Ok(place.location.clone());
    }
    let typed = user_path(path, home().as_deref());
    let here = std::env::current_dir().unwrap_or_default().join(&typed);
    let candidates = [here, session.node.share_dir().join(&typed)];
    let canonical = candidates.iter().filter_map(|path| path.canonicalize().ok());
    let is_shared = |path: &PathBuf| overview.places.iter().any(|place| path.starts_with(&place.location));
    canonical.into_iter().find(is_shared).ok_or_else(|| Failure::not_found(path))
}

/// Returns how much is left out and why, and where to see more; `None` if nothing is.
pub(crate) fn left_out_text(overview: &ShareOverview) -> Option<String> {
    Some(format!("{}; see shares", overview.summary()?))
}
