use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::units::{Rate, Size, Span};

use crate::repl::act::download::finished_text;
use crate::repl::bar::percent;
use crate::repl::columns::{columns, fit, pad_left};
use crate::repl::look::{Look, Style};
use crate::repl::progress::progress_lines_ending;
use crate::repl::session::show_path;
use crate::repl::table::{Column, lay_out};
use crate::transfers::{DownloadState, DownloadView, UploadView};

const UPLOADS: [Column; 4] = [
    Column::left("to", Style::Plain, 0),
    Column::path("name"),
    Column::right("sent", Style::Plain, 1),
    Column::right("rate", Style::Good, 2),
];

/// Downloads as a person is shown them.
pub(super) struct Downloads<'a> {
    pub(super) views: &'a [DownloadView],
    /// The folder in which names that are relative lie.
    pub(super) root: &'a Path,
}

impl Downloads<'_> {
    /// Returns a line for each with its number and how far it is, and below it where it lies. One that waits for its turn or was
    /// cancelled lies nowhere; its whole name is below the line if the line has no room for it.
    pub(super) fn lines(&self, width: usize, look: Look) -> Vec<String> {
        let number = |view: &DownloadView| view.id.0.to_string();
        let numbers = self.views.iter().map(|view| columns(&number(view))).max().unwrap_or(0).max(2);
        let room = width.saturating_sub(numbers + 2);
        let lines = progress_lines_ending(self.views, finished_text, room, look);
        let mut all = Vec::with_capacity(2 * lines.len());
        for (view, line) in self.views.iter().zip(lines) {
            let name = display_safe(&view.name);
            let is_cut = !line.contains(&*name);
            all.push(format!("{}  {line}", look.paint(Style::Accent, &pad_left(&number(view), numbers))));
            if let Some(trouble) = trouble(view) {
                all.push(format!(
                    "{}  {}",
                    " ".repeat(numbers),
                    look.paint(Style::Faint, &fit(&trouble, room))
                ));
            }
            let below = match view.state {
                DownloadState::Queued | DownloadState::Cancelled => is_cut.then(|| name.into_owned()),
                _ => Some(show_path(&place(view, self.root))),
            };
            if let Some(below) = below {
                all.push(format!("{}  {}", " ".repeat(numbers), look.paint(Style::Faint, &below)));
            }
        }
        all
    }
}

/// Returns what keeps a download from going on, beside the state that it is in.
fn trouble(view: &DownloadView) -> Option<String> {
    view.trouble.as_ref().filter(|_| view.state.is_stuck()).map(|trouble| display_safe(trouble).into_owned())
}

/// Returns where a download lies, or will.
fn place(view: &DownloadView, root: &Path) -> PathBuf {
    match &view.state {
        DownloadState::Done { location, .. } | DownloadState::Seeding { location } => location.clone(),
        _ => root.join(&view.name),
    }
}

/// Returns the table of what is sent.
pub(super) fn uploads(uploads: &[UploadView], width: usize, look: Look) -> Vec<String> {
    let row = |view: &UploadView| {
        let name = display_safe(&view.name).into_owned();
        let rate = view.place.map_or_else(|| Rate(view.rate).to_string(), waiting);
        [view.peer.to_string(), name, Size(view.sent).to_string(), rate]
    };
    let rows: Vec<_> = uploads.iter().map(row).collect();
    if rows.is_empty() { Vec::new() } else { lay_out(&UPLOADS, &rows, width, look) }
}

/// Returns the line of a download for scripts.
pub(super) fn download_line(view: &DownloadView, root: &Path) -> String {
    let size = view.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let percent = view.size.map_or(0, |size| percent(view.bytes_done, size));
    let left = view.left.map_or_else(|| "-".to_owned(), |left| Span(left).to_string());
    let trouble = trouble(view).map(|trouble| format!("\t{trouble}")).unwrap_or_default();
    format!(
        "download\t{}\t{}\t{}\t{percent}%\t{}/{size} bytes\t{}\t{}/{} pieces\t{}/{} sources\t{left}\t{}\t{}\t{}{trouble}",
        view.id.0,
        display_safe(&view.name),
        state(view),
        view.bytes_done,
        Rate(view.rate_down),
        view.pieces_done,
        view.pieces,
        view.sources_active,
        view.sources_known,
        view.priority.name(),
        Span(view.elapsed),
        show_path(&place(view, root)),
    )
}

/// Returns the line of an upload for scripts.
pub(super) fn upload_line(view: &UploadView) -> String {
    format!(
        "upload\t{}\t{}\t{}/{} bytes\t{}\t{}",
        view.peer,
        display_safe(&view.name),
        view.sent,
        view.size,
        Rate(view.rate),
        view.place.map_or_else(|| "served".to_owned(), waiting)
    )
}

/// Tells the place of a peer that is not served.
fn waiting(place: u32) -> String {
    if place == 0 { "idle".to_owned() } else { format!("waits, place {place}") }
}

fn state(view: &DownloadView) -> String {
    let text = match &view.state {
        DownloadState::Queued => {
            return view.turn.map_or_else(|| "queued".to_owned(), |turn| format!("queued {turn}"));
        }
        DownloadState::AwaitingRoom(_) => "waiting for room",
        DownloadState::Paused
        | DownloadState::AwaitingSources { .. }
        | DownloadState::AwaitingSystem { .. } => return view.waits_for().unwrap_or_default(),
        DownloadState::Fetching if view.waits_for().is_some() => return view.waits_for().unwrap_or_default(),
        DownloadState::Looking => "looking",
        DownloadState::Checking => "checking",
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
    use crate::repl::progress::test_view;
    use crate::transfers::DownloadId;

    #[test]
    fn numbers_are_never_cut_and_places_are_shown() {
        let done = DownloadState::Done { location: "/srv/isos/debian (1).iso".into(), renamed: None };
        let views = [
            DownloadView { id: DownloadId(7), ..test_view() },
            DownloadView { id: DownloadId(20_345), state: done, ..test_view() },
            DownloadView { id: DownloadId(20_346), state: DownloadState::Queued, ..test_view() },
        ];
        let downloads = Downloads { views: &views, root: Path::new("/srv/share") };
        for width in [40, 80] {
            let lines = downloads.lines(width, Look::PLAIN);
            assert!(lines[0].starts_with("    7  debian-12"), "{lines:#?}");
            assert_eq!(lines[1], "       /srv/share/debian-12.5.0-amd64-netinst.iso");
            assert!(lines[2].starts_with("20345  debian-12"), "{lines:#?}");
            assert_eq!(lines[3], "       /srv/isos/debian (1).iso");
            // One that waits has no place yet, but always its whole name.
            assert!(lines[4].starts_with("20346  debian-12"), "{lines:#?}");
            let name = "debian-12.5.0-amd64-netinst.iso";
            assert!(lines[4..].iter().any(|line| line.contains(name)), "{lines:#?}");
            assert!(lines.iter().all(|line| line.starts_with("       /") || columns(line) <= width));
        }
        let wide = downloads.lines(140, Look::PLAIN);
        assert!(wide[2].ends_with("done  2.4 GiB in 25.00 s, 32.5 MiB/s"), "{}", wide[2]);
    }

    #[test]
    fn scripts_are_told_the_place_too() {
        let line = download_line(&test_view(), Path::new("/srv/share"));
        assert!(line.ends_with("\tnormal\t25 s\t/srv/share/debian-12.5.0-amd64-netinst.iso"), "{line}");
    }
}
