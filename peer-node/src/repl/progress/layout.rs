use std::collections::BTreeMap;

use super::fields::{BAR_RANK, FieldKind, ProgressField};
use super::{LineBody, ProgressLine, display_width};
use crate::repl::look::{Look, Style};
use crate::repl::progress_bar::progress_bar;
use crate::repl::text_width::{pad, pad_left, truncate, truncate_path};

/// The widest that a bar becomes.
const MAX_BAR_WIDTH: usize = 30;

/// How much is said in all lines, and how wide it is.
struct ProgressLayout {
    is_full: bool,
    /// The width of each kind of field that is shown.
    fields: BTreeMap<FieldKind, usize>,
    gap: usize,
    min_name_width: usize,
    min_bar_width: usize,
}

/// Lays out lines of at most `width` columns.
pub(super) fn lay_out(lines: &[ProgressLine], width: usize, look: Look) -> Vec<String> {
    let layout = ProgressLayout::choose(lines, width);
    let ProgressLayout { gap, min_name_width: least_name, min_bar_width: least_bar, .. } = layout;
    let others: usize = layout.fields.values().map(|width| width + gap).sum();
    let is_over = |line: &ProgressLine| matches!(line.rest, LineBody::Ended(..));
    let has_bar = lines.iter().any(|line| line.bar.is_some() && !is_over(line))
        && others + least_name + gap + least_bar <= width;
    let room = width.saturating_sub(others + if has_bar { gap } else { 0 });
    let wanted = lines.iter().map(|line| display_width(&line.name)).max().unwrap_or(0);
    let (name_width, bar_width) = if has_bar {
        let spare = room.saturating_sub(least_name + least_bar);
        let name_width = wanted.min(least_name + spare * 2 / 3).max(least_name);
        (name_width, room.saturating_sub(name_width).min(MAX_BAR_WIDTH))
    } else if lines.iter().all(is_over) {
        (wanted.min((width / 2).max(1)).min(width), 0)
    } else {
        (room.min(wanted), 0)
    };
    let shown = |line: &ProgressLine| match &line.rest {
        LineBody::Ended(style, text) => ended_line(&line.name, name_width, (*style, text), width, look),
        LineBody::Fields { full, short: brief } => {
            let mut parts = vec![(Style::Strong, pad(&truncate_path(&line.name, name_width), name_width))];
            let bar =
                line.bar.filter(|_| has_bar).map(|(done, all)| progress_bar(done, all, bar_width, look));
            let has_own_bar = bar.is_some();
            if has_bar {
                parts.push((Style::Plain, bar.unwrap_or_else(|| " ".repeat(bar_width))));
            }
            parts.extend(layout.cells(if layout.is_full { full } else { brief }));
            // No blanks at the end of a line.
            while parts.len() > 1
                && parts.last().is_some_and(|(_, text)| text.trim_end().is_empty())
                && !(parts.len() == 2 && has_own_bar)
            {
                parts.pop();
            }
            let parts = parts.into_iter().map(|(style, text)| look.paint(style, &text));
            parts.collect::<Vec<_>>().join(&" ".repeat(gap))
        }
    };
    lines.iter().map(shown).collect()
}

/// Lays out a line of something to which nothing more happens.
fn ended_line(
    name: &str,
    name_width: usize,
    (style, text): (Style, &str),
    width: usize,
    look: Look,
) -> String {
    let text = truncate(text, width.saturating_sub(name_width + 2));
    if text.is_empty() {
        return look.paint(style, &truncate_path(name, name_width));
    }
    let name = pad(&truncate_path(name, name_width), name_width);
    format!("{}  {}", look.paint(Style::Strong, &name), look.paint(style, &text))
}

impl ProgressLayout {
    /// Chooses how much is said: everything in full, everything shortly, or only what matters most.
    fn choose(lines: &[ProgressLine], width: usize) -> Self {
        let running = || lines.iter().filter(|line| matches!(line.rest, LineBody::Fields { .. }));
        let name = running().map(|line| display_width(&line.name)).max().unwrap_or(0);
        let (full, brief) = ((name.min(24), 16), (name.min(12), 8));
        let length = |fields: &BTreeMap<FieldKind, usize>, gap: usize| -> usize {
            fields.values().map(|width| width + gap).sum()
        };
        let (said, _) = measure(lines, |full, _| full);
        if length(&said, 2) + full.0 + 2 + full.1 <= width {
            return Self {
                is_full: true,
                fields: said,
                gap: 2,
                min_name_width: full.0,
                min_bar_width: full.1,
            };
        }
        let (mut said, ranks) = measure(lines, |_, brief| brief);
        let bar = if running().any(|line| line.bar.is_some()) { brief.1 + 1 } else { 0 };
        loop {
            let dearest = said.keys().filter_map(|kind| ranks.get(kind)).max().copied().unwrap_or(0);
            // The bar goes before the last few words do.
            let (name, bar) = if dearest <= BAR_RANK { (brief.0.min(6), 0) } else { (brief.0, bar) };
            if dearest == 0 || length(&said, 1) + name + bar <= width {
                return Self {
                    is_full: false,
                    fields: said,
                    gap: 1,
                    min_name_width: name,
                    min_bar_width: brief.1,
                };
            }
            said.retain(|kind, _| ranks.get(kind).is_some_and(|rank| *rank < dearest));
        }
    }

    /// Returns the cells of a line: blanks where it has nothing of a kind that others have.
    fn cells(&self, fields: &[ProgressField]) -> Vec<(Style, String)> {
        let cell = |(kind, width): (&FieldKind, &usize)| match fields.iter().find(|field| field.kind == *kind)
        {
            Some(field) if kind.is_figure() => (field.style, pad_left(&field.text, *width)),
            Some(field) => (field.style, pad(&field.text, *width)),
            None => (Style::Plain, " ".repeat(*width)),
        };
        self.fields.iter().map(cell).collect()
    }
}

/// Returns how wide the fields of each kind are, and what matters most of each kind.
fn measure<'a>(
    lines: &'a [ProgressLine],
    choose: impl Fn(&'a [ProgressField], &'a [ProgressField]) -> &'a [ProgressField],
) -> (BTreeMap<FieldKind, usize>, BTreeMap<FieldKind, u8>) {
    let (mut widths, mut ranks) = (BTreeMap::<FieldKind, usize>::new(), BTreeMap::<FieldKind, u8>::new());
    for line in lines {
        let LineBody::Fields { full, short: brief } = &line.rest else { continue };
        for field in choose(full, brief) {
            let width = widths.entry(field.kind).or_default();
            *width = display_width(&field.text).max(*width);
            let rank = ranks.entry(field.kind).or_insert(field.rank);
            *rank = field.rank.min(*rank);
        }
    }
    (widths, ranks)
}
