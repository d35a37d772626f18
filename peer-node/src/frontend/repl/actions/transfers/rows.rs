use std::path::Path;

use protocol::escape::display_safe;
use protocol::units::{DisplayDuration, DisplayRate, DisplaySize};
use tokio::time::Instant;

use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::progress::progress_lines_with;
use crate::frontend::console::progress_bar::percent;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::console::text_width::{display_width, pad_left, truncate};
use crate::frontend::repl::actions::download::finished_text;
use crate::frontend::repl::session::{display_path, pluralize};
use crate::operations::{Download, Upload};
use crate::view::{DownloadState, TrackerView};

const UPLOAD_COLUMNS: [TableColumn; 4] = [
    TableColumn::left("to", Style::Plain, 0),
    TableColumn::path("name"),
    TableColumn::right("sent", Style::Plain, 1),
    TableColumn::right("rate", Style::Good, 2),
];

/// Downloads as shown to a person.
pub(super) struct DownloadRows<'a> {
    pub(super) views: &'a [Download],
    /// The folder for relative names.
    pub(super) root: &'a Path,
}

impl DownloadRows<'_> {
    /// Returns a line with the number and progress of each download, and its path on the line below. A queued or cancelled
    /// download has no path; if its name was truncated, the whole name is below instead.
    pub(super) fn lines(&self, width: usize, look: Look) -> Vec<String> {
        let number = |view: &Download| view.id.0.to_string();
        let numbers = self.views.iter().map(|view| display_width(&number(view))).max().unwrap_or(0).max(2);
        let line_width = width.saturating_sub(numbers + 2);
        let lines = progress_lines_with(self.views, finished_text, line_width, look);
        let mut all = Vec::with_capacity(2 * lines.len());
        for (view, line) in self.views.iter().zip(lines) {
            let name = view.name.shown();
            let is_cut = !line.contains(&*name);
            all.push(format!("{}  {line}", look.paint(Style::Accent, &pad_left(&number(view), numbers))));
            if let Some(trouble) = trouble_text(view) {
                all.push(format!(
                    "{}  {}",
                    " ".repeat(numbers),
                    look.paint(Style::Faint, &truncate(&trouble, line_width))
                ));
            }
            let below = match view.state {
                DownloadState::Queued | DownloadState::Cancelled => is_cut.then(|| name.into_owned()),
                _ => Some(display_path(&view.location(self.root))),
            };
            if let Some(below) = below {
                all.push(format!("{}  {}", " ".repeat(numbers), look.paint(Style::Faint, &below)));
            }
            let trackers = view.trackers.iter().filter(|_| !view.state.is_over()).map(tracker_text);
            all.extend(trackers.map(|text| {
                format!("{}  {}", " ".repeat(numbers), look.paint(Style::Faint, &truncate(&text, line_width)))
            }));
        }
        all
    }
}

/// Returns the warning of a download that is stuck.
fn trouble_text(view: &Download) -> Option<String> {
    view.warning.as_ref().filter(|_| view.state.is_stuck()).map(|trouble| display_safe(trouble).into_owned())
}

/// Returns the line of a tracker below its torrent.
fn tracker_text(tracker: &TrackerView) -> String {
    let count = |count: Option<u32>, what: &str| count.map(|count| pluralize(count.into(), what));
    let left = tracker.next_announce.map(|at| at.saturating_duration_since(Instant::now()));
    let next = left.map(|left| format!("next announce in {}", DisplayDuration(left)));
    let details = [count(tracker.seeders, "seeder"), count(tracker.leechers, "leecher"), next];
    let details = details.into_iter().flatten().map(|detail| format!(", {detail}"));
    format!("tracker {}: {}{}", tracker.name, tracker.state, details.collect::<String>())
}

/// Returns the table of uploads.
pub(super) fn upload_rows(uploads: &[Upload], width: usize, look: Look) -> Vec<String> {
    let row = |view: &Upload| {
        let name = view.name.to_string();
        let rate =
            view.queue_position.map_or_else(|| DisplayRate(view.rate).to_string(), queue_position_text);
        [view.peer.to_string(), name, DisplaySize(view.sent).to_string(), rate]
    };
    let rows: Vec<_> = uploads.iter().map(row).collect();
    if rows.is_empty() { Vec::new() } else { lay_out(&UPLOAD_COLUMNS, &rows, width, look) }
}

/// Returns the line of a download for scripts.
pub(super) fn download_line(view: &Download, root: &Path) -> String {
    let size = view.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let percent = view.size.map_or(0, |size| percent(view.bytes_done, size));
    let left = view.time_left.map_or_else(|| "-".to_owned(), |left| DisplayDuration(left).to_string());
    let trouble = trouble_text(view).map(|trouble| format!("\t{trouble}")).unwrap_or_default();
    format!(
        "download\t{}\t{}\t{}\t{percent}%\t{}/{size} bytes\t{}\t{}/{} pieces\t{}/{} sources\t{left}\t{}\t{}\t{}{trouble}",
        view.id.0,
        view.name,
        state_text(view),
        view.bytes_done,
        DisplayRate(view.rate_down),
        view.pieces_done,
        view.pieces,
        view.sources_active,
        view.sources_known,
        view.priority.name(),
        DisplayDuration(view.elapsed),
        display_path(&view.location(root)),
    )
}

/// Returns the line of an upload for scripts.
pub(super) fn upload_line(view: &Upload) -> String {
    format!(
        "upload\t{}\t{}\t{}/{} bytes\t{}\t{}",
        view.peer,
        view.name,
        view.sent,
        view.size,
        DisplayRate(view.rate),
        view.queue_position.map_or_else(|| "served".to_owned(), queue_position_text)
    )
}

/// Returns the queue position of a peer that is not served; 0 means that it requests nothing.
fn queue_position_text(place: u32) -> String {
    if place == 0 { "idle".to_owned() } else { format!("waits, place {place}") }
}

fn state_text(view: &Download) -> String {
    let text = match &view.state {
        DownloadState::Queued => {
            return view
                .queue_position
                .map_or_else(|| "queued".to_owned(), |place| format!("queued {place}"));
        }
        DownloadState::AwaitingSpace(_) => "waiting for room",
        DownloadState::Paused
        | DownloadState::AwaitingSources { .. }
        | DownloadState::AwaitingSystem { .. } => return view.wait_reason().unwrap_or_default(),
        DownloadState::Fetching if view.wait_reason().is_some() => {
            return view.wait_reason().unwrap_or_default();
        }
        DownloadState::Searching => "looking",
        DownloadState::Verifying => "checking",
        DownloadState::Fetching => "fetching",
        DownloadState::Finishing => "finishing",
        DownloadState::Seeding { .. } => "seeding",
        DownloadState::Done { .. } => "done",
        DownloadState::Failed { .. } => "failed",
        DownloadState::Cancelled => "cancelled",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::test_download as test_view;
    use crate::view::{DownloadId, TrackerState};

    #[test]
    fn numbers_are_never_cut_and_locations_are_shown() {
        let done = DownloadState::Done { location: "/srv/isos/debian (1).iso".into(), renamed: None };
        let views = [
            Download { id: DownloadId(7), ..test_view() },
            Download { id: DownloadId(20_345), state: done, ..test_view() },
            Download { id: DownloadId(20_346), state: DownloadState::Queued, ..test_view() },
        ];
        let downloads = DownloadRows { views: &views, root: Path::new("/srv/share") };
        for width in [40, 80] {
            let lines = downloads.lines(width, Look::PLAIN);
            assert!(lines[0].starts_with("    7  debian-12"), "{lines:#?}");
            assert_eq!(lines[1], "       /srv/share/debian-12.5.0-amd64-netinst.iso");
            assert!(lines[2].starts_with("20345  debian-12"), "{lines:#?}");
            assert_eq!(lines[3], "       /srv/isos/debian (1).iso");
            // A queued download has no path yet, but its whole name is shown.
            assert!(lines[4].starts_with("20346  debian-12"), "{lines:#?}");
            let name = "debian-12.5.0-amd64-netinst.iso";
            assert!(lines[4..].iter().any(|line| line.contains(name)), "{lines:#?}");
            assert!(lines.iter().all(|line| line.starts_with("       /") || display_width(line) <= width));
        }
        let wide = downloads.lines(140, Look::PLAIN);
        assert!(wide[2].ends_with("done  2.4 GiB in 25.00 s, 32.5 MiB/s"), "{}", wide[2]);
    }

    #[test]
    fn trackers_are_listed_below_an_active_torrent() {
        let tracker = TrackerView {
            name: "udp://tracker.example:6969".into(),
            state: TrackerState::Working,
            seeders: Some(3),
            leechers: Some(1),
            next_announce: None,
        };
        let failing = TrackerState::Failing { reason: "no answer".into() };
        let other = TrackerView {
            name: "http://t.example".into(),
            state: failing,
            seeders: None,
            leechers: None,
            // In the past, whatever the clock says.
            next_announce: Some(Instant::now()),
        };
        let active = Download { trackers: [tracker, other].into(), ..test_view() };
        let over = Download { state: DownloadState::Cancelled, ..active.clone() };
        let lines = |view: Download| {
            DownloadRows { views: &[view], root: Path::new("/srv") }.lines(100, Look::PLAIN).join("\n")
        };
        let shown = lines(active);
        let shown: Vec<&str> = shown.lines().rev().take(2).map(str::trim).collect();
        assert_eq!(shown[1], "tracker udp://tracker.example:6969: working, 3 seeders, 1 leecher");
        let next = shown[0].strip_prefix("tracker http://t.example: failing: no answer, next announce in ");
        assert!(next.is_some_and(|next| next.starts_with('0')), "{shown:?}");
        assert!(!lines(over).contains("tracker"));
    }

    #[test]
    fn scripts_get_the_location_too() {
        let line = download_line(&test_view(), Path::new("/srv/share"));
        assert!(line.ends_with("\tnormal\t25 s\t/srv/share/debian-12.5.0-amd64-netinst.iso"), "{line}");
    }
}
