use std::collections::BTreeMap;

use super::fields::{BAR_RANK, FieldKind, ProgressField};
use super::{LineBody, ProgressLine, display_width};
use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::progress_bar::progress_bar;
use crate::frontend::console::text_width::{pad, pad_left, truncate, truncate_path};

/// The maximum width of a bar.
const MAX_BAR_WIDTH: usize = 30;

/// The fields shown in all lines, and their widths.
struct ProgressLayout {
    is_full: bool,
    /// The width of each shown field.
    fields: BTreeMap<FieldKind, usize>,
    gap: usize,
    min_name_width: usize,
    min_bar_width: usize,
}

/// Lays out lines of at most `width` columns.
pub(super) fn lay_out(lines: &[ProgressLine], width: usize, look: Look) -> Vec<String> {
    let layout = ProgressLayout::choose(lines, width);
    let ProgressLayout { gap, min_name_width, min_bar_width, .. } = layout;
    let others: usize = layout.fields.values().map(|width| width + gap).sum();
    let is_over = |line: &ProgressLine| matches!(line.rest, LineBody::Ended(..));
    let has_bar = lines.iter().any(|line| line.bar.is_some() && !is_over(line))
        && others + min_name_width + gap + min_bar_width <= width;
    let available = width.saturating_sub(others + if has_bar { gap } else { 0 });
    let longest_name = lines.iter().map(|line| display_width(&line.name)).max().unwrap_or(0);
    let (name_width, bar_width) = if has_bar {
        // The name gets two thirds of the spare columns, the bar the rest.
        let spare = available.saturating_sub(min_name_width + min_bar_width);
        let name_width = longest_name.min(min_name_width + spare * 2 / 3).max(min_name_width);
        (name_width, available.saturating_sub(name_width).min(MAX_BAR_WIDTH))
    } else if lines.iter().all(is_over) {
        (longest_name.min((width / 2).max(1)).min(width), 0)
    } else {
        (available.min(longest_name), 0)
    };
    let shown = |line: &ProgressLine| match &line.rest {
        LineBody::Ended(style, text) => ended_line(&line.name, name_width, (*style, text), width, look),
        LineBody::Fields { full, short } => {
            let mut parts = vec![(Style::Strong, pad(&truncate_path(&line.name, name_width), name_width))];
            let bar =
                line.bar.filter(|_| has_bar).map(|(done, all)| progress_bar(done, all, bar_width, look));
            let has_own_bar = bar.is_some();
            if has_bar {
                parts.push((Style::Plain, bar.unwrap_or_else(|| " ".repeat(bar_width))));
            }
            parts.extend(layout.cells(if layout.is_full { full } else { short }));
            // No trailing spaces.
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

/// Lays out the line of a finished download.
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
    /// Chooses the fields: all in full wording, all in short wording, or only the most important in short wording.
    fn choose(lines: &[ProgressLine], width: usize) -> Self {
        let running = || lines.iter().filter(|line| matches!(line.rest, LineBody::Fields { .. }));
        let name = running().map(|line| display_width(&line.name)).max().unwrap_or(0);
        // Minimum widths of name and bar, in full and short wording.
        let (full_mins, short_mins) = ((name.min(24), 16), (name.min(12), 8));
        let length = |fields: &BTreeMap<FieldKind, usize>, gap: usize| -> usize {
            fields.values().map(|width| width + gap).sum()
        };
        let (fields, _) = measure(lines, |full, _| full);
        if length(&fields, 2) + full_mins.0 + 2 + full_mins.1 <= width {
            return Self {
                is_full: true,
                fields,
                gap: 2,
                min_name_width: full_mins.0,
                min_bar_width: full_mins.1,
            };
        }
        let (mut fields, ranks) = measure(lines, |_, short| short);
        let bar = if running().any(|line| line.bar.is_some()) { short_mins.1 + 1 } else { 0 };
        // Drop the fields of the highest rank until the rest fits.
        loop {
            let highest = fields.keys().filter_map(|kind| ranks.get(kind)).max().copied().unwrap_or(0);
            // The bar is dropped before the most important fields.
            let (name, bar) =
                if highest <= BAR_RANK { (short_mins.0.min(6), 0) } else { (short_mins.0, bar) };
            if highest == 0 || length(&fields, 1) + name + bar <= width {
                return Self {
                    is_full: false,
                    fields,
                    gap: 1,
                    min_name_width: name,
                    min_bar_width: short_mins.1,
                };
            }
            fields.retain(|kind, _| ranks.get(kind).is_some_and(|rank| *rank < highest));
        }
    }

    /// Returns the cells of a line; fields that only other lines have are blank.
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

/// Returns the width and the lowest rank of each kind of field over all lines.
fn measure<'a>(
    lines: &'a [ProgressLine],
    choose: impl Fn(&'a [ProgressField], &'a [ProgressField]) -> &'a [ProgressField],
) -> (BTreeMap<FieldKind, usize>, BTreeMap<FieldKind, u8>) {
    let (mut widths, mut ranks) = (BTreeMap::<FieldKind, usize>::new(), BTreeMap::<FieldKind, u8>::new());
    for line in lines {
        let LineBody::Fields { full, short } = &line.rest else { continue };
        for field in choose(full, short) {
            let width = widths.entry(field.kind).or_default();
            *width = display_width(&field.text).max(*width);
            let rank = ranks.entry(field.kind).or_insert(field.rank);
            *rank = field.rank.min(*rank);
        }
    }
    (widths, ranks)
}
