//! Lines that say how far downloads have got, at any width, all of a group in one layout.

mod fields;
mod layout;

use super::columns::columns;
use super::look::{Look, Style};
use crate::transfers::{DownloadState, DownloadView};
use fields::{Field, Group, Wording, fields, group_fields};
use layout::lay_out;
use protocol::escape::display_safe;

/// What there is to show in one line.
struct Line {
    name: String,
    /// How much is done of how much, where that is known.
    bar: Option<(u64, u64)>,
    rest: Rest,
}

/// What stands behind the name and the bar.
enum Rest {
    /// Nothing more happens.
    Over(Style, String),
    /// What there is to say in full, and shortly.
    Fields { full: Vec<Field>, brief: Vec<Field> },
}

/// Returns the line of a download, of at most `width` columns: name, bar, percent, size, rates down and up, pieces, sources
/// and time left. What there is no room for is first said shortly and then not at all, the least important first.
pub(crate) fn progress_line(view: &DownloadView, width: usize, look: Look) -> String {
    progress_lines(std::slice::from_ref(view), width, look).pop().unwrap_or_default()
}

/// Returns the lines of several downloads with their columns below each other.
pub(crate) fn progress_lines(views: &[DownloadView], width: usize, look: Look) -> Vec<String> {
    progress_lines_ending(views, |_| None, width, look)
}

/// Returns the same lines, with what `done` has to say of those that are done.
pub(crate) fn progress_lines_ending(
    views: &[DownloadView],
    done: impl Fn(&DownloadView) -> Option<String>,
    width: usize,
    look: Look,
) -> Vec<String> {
    let line = |view: &DownloadView| {
        let rest = match ending(view) {
            Some((style, text)) => Rest::Over(style, done(view).unwrap_or(text)),
            None => Rest::Fields { full: fields(view, Wording::Full), brief: fields(view, Wording::Brief) },
        };
        let bar = view.size.map(|size| (view.bytes_done, size));
        Line { name: display_safe(&view.name).into_owned(), bar, rest }
    };
    lay_out(&views.iter().map(line).collect::<Vec<_>>(), width, look)
}

/// Returns the line of many downloads together, under a name for all of them, with the rate in bytes per second of all.
pub(crate) fn group_line<'a>(
    (name, rate): (&str, f64),
    views: impl Iterator<Item = &'a DownloadView>,
    width: usize,
    look: Look,
) -> String {
    let group = Group::of(views, rate);
    let (full, brief) = (group_fields(&group, Wording::Full), group_fields(&group, Wording::Brief));
    let rest = Rest::Fields { full, brief };
    let line = Line { name: display_safe(name).into_owned(), bar: Some((group.done, group.size)), rest };
    lay_out(&[line], width, look).pop().unwrap_or_default()
}

/// Returns what there is to say of a download to which nothing more happens.
fn ending(view: &DownloadView) -> Option<(Style, String)> {
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
#[cfg(test)]
pub(crate) use tests::view as test_view;
