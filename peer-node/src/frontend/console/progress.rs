//! Progress lines of downloads at any width; lines shown together share one layout.

mod fields;
mod layout;

use super::look::{Look, Style};
use super::text_width::display_width;
use crate::operations::Download;
use crate::view::DownloadState;
use fields::{GroupProgress, ProgressField, Wording, fields, group_fields};
use layout::lay_out;
use protocol::escape::display_safe;

/// The content of one line.
struct ProgressLine {
    name: String,
    /// The completed and total bytes, if known.
    bar: Option<(u64, u64)>,
    rest: LineBody,
}

/// The part of a line after the name and the bar.
enum LineBody {
    /// The result of a finished download.
    Ended(Style, String),
    /// The fields of a running download, in full and short wording.
    Fields { full: Vec<ProgressField>, short: Vec<ProgressField> },
}

/// Returns the line of a download, of at most `width` columns: name, bar, percent, size, rates down and up, pieces, sources
/// and time left. On a narrow terminal the fields are first shortened and then dropped, the least important first.
pub(crate) fn progress_line(view: &Download, width: usize, look: Look) -> String {
    progress_lines(std::slice::from_ref(view), width, look).pop().unwrap_or_default()
}

/// Returns the lines of several downloads with their columns below each other.
pub(crate) fn progress_lines(views: &[Download], width: usize, look: Look) -> Vec<String> {
    progress_lines_with(views, |_| None, width, look)
}

/// Returns the same lines, with the text of `done` for finished downloads.
pub(crate) fn progress_lines_with(
    views: &[Download],
    done: impl Fn(&Download) -> Option<String>,
    width: usize,
    look: Look,
) -> Vec<String> {
    let line = |view: &Download| {
        let rest = match ended_text(view) {
            Some((style, text)) => LineBody::Ended(style, done(view).unwrap_or(text)),
            None => {
                LineBody::Fields { full: fields(view, Wording::Full), short: fields(view, Wording::Short) }
            }
        };
        let bar = view.size.map(|size| (view.bytes_done, size));
        ProgressLine { name: view.name.to_string(), bar, rest }
    };
    lay_out(&views.iter().map(line).collect::<Vec<_>>(), width, look)
}

/// Returns one line for a group of downloads, with its name and its total rate in bytes per second.
pub(crate) fn group_line<'a>(
    (name, rate): (&str, f64),
    views: impl Iterator<Item = &'a Download>,
    width: usize,
    look: Look,
) -> String {
    let group = GroupProgress::from_views(views, rate);
    let (full, short) = (group_fields(&group, Wording::Full), group_fields(&group, Wording::Short));
    let rest = LineBody::Fields { full, short };
    let line =
        ProgressLine { name: display_safe(name).into_owned(), bar: Some((group.done, group.size)), rest };
    lay_out(&[line], width, look).pop().unwrap_or_default()
}

/// Returns the result of a finished download; `None` if it is still running.
fn ended_text(view: &Download) -> Option<(Style, String)> {
    match &view.state {
        DownloadState::Done { .. } => Some((Style::Good, "done".to_owned())),
        DownloadState::Failed { reason } => Some((Style::Bad, format!("failed: {}", display_safe(reason)))),
        DownloadState::Cancelled if view.bytes_done > 0 && view.size != Some(view.bytes_done) => {
            Some((Style::Warning, "cancelled; partial data kept".to_owned()))
        }
        DownloadState::Cancelled => Some((Style::Warning, "cancelled".to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
