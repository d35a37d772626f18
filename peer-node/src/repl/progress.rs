//! One line that says how far a download has got, at any width.

mod fields;

use super::bar::bar;
use super::columns::{columns, pad};
use super::look::{Look, Style};
use crate::transfers::{DownloadState, DownloadView};
use fields::{Field, Wording, fields};
use protocol::escape::display_safe;

/// The widest that a bar becomes.
const WIDEST_BAR: usize = 30;

/// Returns the line of a download, of at most `width` columns: name, bar, percent, size, rates down and up, pieces, sources
/// and time left. What there is no room for is first said shortly and then not at all, the least important first.
pub(crate) fn progress_line(view: &DownloadView, width: usize, look: Look) -> String {
    if let Some((style, text)) = ending(&view.state) {
        return two_parts(&view.name, style, &text, width, look);
    }
    let (fields, gap, least_name, least_bar) = choose(view, width);
    let others: usize = fields.iter().map(|field| columns(&field.text) + gap).sum();
    let has_bar = view.size.is_some() && others + least_name + gap + least_bar <= width;
    let room = width.saturating_sub(others + if has_bar { gap } else { 0 });
    let name = display_safe(&view.name);
    let wanted = columns(&name);
    let (name_width, bar_width) = if has_bar {
        let spare = room.saturating_sub(least_name + least_bar);
        let name_width = wanted.min(least_name + spare * 2 / 3).max(least_name);
        (name_width, room.saturating_sub(name_width).min(WIDEST_BAR))
    } else {
        (room.min(wanted), 0)
    };
    let mut parts = vec![look.paint(Style::Strong, &pad(&name, name_width))];
    if has_bar {
        parts.push(bar(view.bytes_done, view.size.unwrap_or(0), bar_width, look));
    }
    parts.extend(fields.iter().map(|field| look.paint(field.style, &field.text)));
    parts.join(&" ".repeat(gap))
}

/// Returns the line for many downloads together.
pub(crate) fn summary_line(views: &[DownloadView], width: usize, look: Look) -> String {
    let over = views.iter().filter(|view| view.state.is_over()).count();
    let done: u64 = views.iter().map(|view| view.bytes_done).fold(0, u64::saturating_add);
    let size: u64 = views.iter().filter_map(|view| view.size).fold(0, u64::saturating_add);
    let rate: f64 = views.iter().filter(|view| !view.state.is_over()).map(|view| view.rate_down).sum();
    let waiting = views.iter().filter(|view| view.state.is_stuck()).count();
    let waiting = if waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
    let text = format!(
        "{over} of {} files, {} of {}, ↓ {}{waiting}",
        views.len(),
        protocol::units::Size(done),
        protocol::units::Size(size),
        protocol::units::Rate(rate)
    );
    look.paint(Style::Faint, &super::columns::fit(&text, width))
}

/// Chooses how much is said: everything in full, everything shortly, or only what matters most.
fn choose(view: &DownloadView, width: usize) -> (Vec<Field>, usize, usize, usize) {
    let name = columns(&display_safe(&view.name));
    let (full, brief) = ((name.min(24), 16), (name.min(12), 8));
    let length = |fields: &[Field], gap: usize| -> usize {
        fields.iter().map(|field| columns(&field.text) + gap).sum::<usize>()
    };
    let said = fields(view, Wording::Full);
    if length(&said, 2) + full.0 + 2 + full.1 <= width {
        return (said, 2, full.0, full.1);
    }
    let mut said = fields(view, Wording::Brief);
    let bar = if view.size.is_some() { brief.1 + 1 } else { 0 };
    loop {
        let dearest = said.iter().map(|field| field.rank).max().unwrap_or(0);
        // The bar goes before the last few words do.
        let (name, bar) = if dearest <= fields::RANK_OF_BAR { (brief.0.min(6), 0) } else { (brief.0, bar) };
        if dearest == 0 || length(&said, 1) + name + bar <= width {
            return (said, 1, name, brief.1);
        }
        said.retain(|field| field.rank < dearest);
    }
}

/// Returns what there is to say of a download to which nothing more happens.
fn ending(state: &DownloadState) -> Option<(Style, String)> {
    match state {
        DownloadState::Done { .. } => Some((Style::Good, "done".to_owned())),
        DownloadState::Failed { reason } => Some((Style::Bad, format!("failed: {}", display_safe(reason)))),
        DownloadState::Cancelled => Some((Style::Warning, "stopped, the part is kept".to_owned())),
        _ => None,
    }
}

fn two_parts(name: &str, style: Style, text: &str, width: usize, look: Look) -> String {
    let name = super::columns::fit(&display_safe(name), (width / 2).max(1).min(width));
    let text = super::columns::fit(text, width.saturating_sub(columns(&name) + 2));
    if text.is_empty() {
        return look.paint(style, &name);
    }
    format!("{}  {}", look.paint(Style::Strong, &name), look.paint(style, &text))
}

#[cfg(test)]
mod tests;
