use std::time::Duration;

use protocol::units::{DisplayDuration, DisplayRate, DisplaySize};

use crate::frontend::console::look::Style;
use crate::frontend::console::progress_bar::percent;
use crate::operations::Download;
use crate::view::{ContentId, DownloadState, Priority};

/// One field of a progress line; fields of a higher rank are dropped first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProgressField {
    pub(super) kind: FieldKind,
    pub(super) text: String,
    pub(super) style: Style,
    pub(super) rank: u8,
}

/// The kind of a field, in display order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldKind {
    Percent,
    Size,
    Activity,
    Priority,
    Down,
    Up,
    Uploaded,
    Pieces,
    Sources,
    TimeLeft,
}

impl FieldKind {
    /// Returns true if fields of this kind are numbers, which are right-aligned.
    pub(super) const fn is_figure(self) -> bool {
        !matches!(self, Self::Activity | Self::Priority)
    }
}

/// The bar is dropped when only fields up to this rank are left.
pub(super) const BAR_RANK: u8 = 2;

/// The length of the wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    Full,
    Short,
}

/// Returns the fields of a running download, in display order.
pub(super) fn fields(view: &Download, wording: Wording) -> Vec<ProgressField> {
    let mut fields = Vec::with_capacity(8);
    let mut add = |kind, text: String, style, rank| fields.push(ProgressField { kind, text, style, rank });
    if let Some(size) = view.size {
        add(FieldKind::Percent, format!("{:>3}%", percent(view.bytes_done, size)), Style::Strong, 0);
        add(FieldKind::Size, shorten(DisplaySize(size).to_string(), wording), Style::Plain, 5);
    }
    if let Some(activity) = activity_text(view, wording) {
        add(FieldKind::Activity, activity, Style::Warning, 3);
    }
    if view.state.may_be_queued() && view.priority != Priority::Normal {
        add(FieldKind::Priority, format!("{} priority", view.priority.name()), Style::Faint, 8);
    }
    let arrow = |sign, rate| format!("{sign}{}", shorten(DisplayRate(rate).to_string(), wording));
    if view.state == DownloadState::Fetching {
        add(FieldKind::Down, arrow('↓', view.rate_down), Style::Good, 2);
        add(FieldKind::Up, arrow('↑', view.rate_up), Style::Faint, 7);
    }
    let is_native = matches!(view.content, ContentId::File(_));
    let (pieces, sources) = match (wording, is_native) {
        (Wording::Full, true) => (" pieces", " sources"),
        (Wording::Full, false) => (" pieces", " peers"),
        (Wording::Short, _) => ("p", "s"),
    };
    if matches!(view.state, DownloadState::Seeding { .. }) {
        add(FieldKind::Up, arrow('↑', view.rate_up), Style::Good, 2);
        add(
            FieldKind::Uploaded,
            format!("{} uploaded", shorten(DisplaySize(view.bytes_uploaded).to_string(), wording)),
            Style::Plain,
            6,
        );
        add(FieldKind::Sources, format!("{}{sources}", view.sources_active), Style::Plain, 4);
        return fields;
    }
    if view.pieces > 0 {
        add(FieldKind::Pieces, format!("{}/{}{pieces}", view.pieces_done, view.pieces), Style::Plain, 6);
    }
    if view.state == DownloadState::Fetching {
        add(
            FieldKind::Sources,
            format!("{}/{}{sources}", view.sources_active, view.sources_known),
            Style::Plain,
            4,
        );
        if let Some(left) = view.time_left {
            let left = match wording {
                Wording::Full => format!("{} left", DisplayDuration(left)),
                Wording::Short => clock(left),
            };
            add(FieldKind::TimeLeft, left, Style::Accent, 1);
        }
    }
    fields
}

/// Returns the fields of a group of downloads, in display order.
pub(super) fn group_fields(group: &GroupProgress, wording: Wording) -> Vec<ProgressField> {
    let size = |bytes| shorten(DisplaySize(bytes).to_string(), wording);
    let field = |kind, text, style, rank| ProgressField { kind, text, style, rank };
    let files = match wording {
        Wording::Full => format!("{}/{} files", group.finished, group.files),
        Wording::Short => format!("{}/{}", group.finished, group.files),
    };
    let mut fields = vec![
        field(FieldKind::Percent, format!("{:>3}%", percent(group.done, group.size)), Style::Strong, 0),
        field(FieldKind::Size, size(group.size), Style::Plain, 5),
        field(
            FieldKind::Down,
            format!("↓{}", shorten(DisplayRate(group.rate).to_string(), wording)),
            Style::Good,
            2,
        ),
        field(FieldKind::Pieces, files, Style::Plain, 3),
    ];
    if group.waiting > 0 {
        fields.push(field(FieldKind::Activity, format!("{} waiting", group.waiting), Style::Warning, 4));
    }
    if let Some(left) = group.time_left() {
        let left = match wording {
            Wording::Full => format!("{} left", DisplayDuration(left)),
            Wording::Short => clock(left),
        };
        fields.push(field(FieldKind::TimeLeft, left, Style::Accent, 1));
    }
    fields
}

/// The totals of a group of downloads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct GroupProgress {
    pub(super) files: usize,
    pub(super) finished: usize,
    pub(super) done: u64,
    pub(super) size: u64,
    pub(super) rate: f64,
    /// How many downloads are stuck.
    pub(super) waiting: usize,
}

impl GroupProgress {
    pub(super) fn from_views<'a>(views: impl Iterator<Item = &'a Download>, rate: f64) -> Self {
        let mut group = Self { rate, ..Self::default() };
        for view in views {
            let is_over = view.state.is_over();
            group.files += 1;
            group.finished += usize::from(is_over);
            group.waiting += usize::from(view.state.is_stuck());
            group.done = group.done.saturating_add(view.bytes_done);
            group.size = group.size.saturating_add(view.size.unwrap_or(view.bytes_done));
        }
        group
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn time_left(&self) -> Option<Duration> {
        let missing = self.size.saturating_sub(self.done);
        if missing == 0 || self.rate < 1.0 {
            return None;
        }
        Duration::try_from_secs_f64(missing as f64 / self.rate).ok()
    }
}

fn activity_text(view: &Download, wording: Wording) -> Option<String> {
    if let (Wording::Full, Some(reason)) = (wording, view.wait_reason()) {
        return Some(reason);
    }
    let text = match (&view.state, wording) {
        (DownloadState::Queued, _) => {
            return Some(
                view.queue_position.map_or_else(|| "queued".to_owned(), |place| format!("queued, {place}")),
            );
        }
        (DownloadState::Paused, _) => "paused",
        (DownloadState::AwaitingSources { was_seen: true }, _) => "no source",
        (DownloadState::AwaitingSources { was_seen: false }, _) => "never seen",
        (DownloadState::AwaitingSpace(_), _) => "no room",
        (DownloadState::AwaitingSystem { .. }, _) => "waiting",
        (DownloadState::Fetching, _) => {
            let queued = view.queued_at.filter(|_| view.sources_active == 0)?;
            return Some(match (queued.position, queued.length) {
                (None, _) => "queued there".to_owned(),
                (Some(place), None) => format!("queued there, {place}"),
                (Some(place), Some(length)) => format!("queued there, {place}/{length}"),
            });
        }
        (DownloadState::Searching, Wording::Full) => "looking for sources",
        (DownloadState::Searching, Wording::Short) => "looking",
        (DownloadState::Verifying, Wording::Full) => "checking existing data",
        (DownloadState::Verifying, Wording::Short) => "checking",
        (DownloadState::Finishing, _) => "finishing",
        (DownloadState::Seeding { .. }, _) => "seeding",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Shortens units: `33.1 MiB/s` becomes `33.1M/s`.
fn shorten(text: String, wording: Wording) -> String {
    match wording {
        Wording::Full => text,
        Wording::Short => text.replace("iB", "").replace(' ', ""),
    }
}

/// Formats a time as `1:05`, `2:01:05` or, from a day on, `2d`; rounded up.
fn clock(span: Duration) -> String {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        1..24 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{}d", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_texts_are_short() {
        for (seconds, text) in [(0, "0:00"), (65, "1:05"), (7265, "2:01:05"), (200_000, "2d")] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
        assert_eq!(clock(Duration::from_millis(1)), "0:01");
        let _ = clock(Duration::MAX);
    }

    #[test]
    fn units_are_shortened() {
        assert_eq!(shorten("33.1 MiB/s".into(), Wording::Short), "33.1M/s");
        assert_eq!(shorten("0 B/s".into(), Wording::Short), "0B/s");
    }
}
