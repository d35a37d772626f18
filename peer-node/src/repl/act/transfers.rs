use protocol::escape::display_safe;
use protocol::units::{Rate, Size, Span};

use super::limit::limits_text;
use crate::repl::bar::percent;
use crate::repl::columns::{fit, pad_left};
use crate::repl::failure::Failure;
use crate::repl::look::{Look, Style};
use crate::repl::progress::progress_line;
use crate::repl::session::Session;
use crate::repl::table::{Column, lay_out};
use crate::transfers::{DownloadState, DownloadView, UploadView};

/// Downloads that are over and still shown to a person, the latest ones.
const MOST_OVER: usize = 10;

const UPLOADS: [Column; 4] = [
    Column::left("to", Style::Plain, 0),
    Column::flexible("name"),
    Column::right("sent", Style::Plain, 1),
    Column::right("rate", Style::Good, 2),
];

/// Shows what comes in and goes out.
pub(super) fn transfers(session: &mut Session) -> Result<(), Failure> {
    let (downloads, uploads) = (session.node.downloads().views(), session.node.uploads());
    let (width, look) = (session.output.width(), session.output.look());
    let limits = limits_text(&session.node).map(|text| look.paint(Style::Faint, &text));
    let lines: Vec<String> = if session.output.is_for_person() {
        for_person(&downloads, &uploads, width, look).into_iter().chain(limits).collect()
    } else {
        downloads.iter().map(download_line).chain(uploads.iter().map(upload_line)).collect()
    };
    if lines.is_empty() {
        return Ok(session.output.line("no transfers")?);
    }
    Ok(session.output.lines(lines)?)
}

fn for_person(downloads: &[DownloadView], uploads: &[UploadView], width: usize, look: Look) -> Vec<String> {
    let over = downloads.iter().filter(|view| view.state.is_over()).count();
    let mut hidden = over.saturating_sub(MOST_OVER);
    let mut lines = Vec::new();
    for view in downloads {
        if hidden > 0 && view.state.is_over() {
            hidden -= 1;
            continue;
        }
        let number = pad_left(&view.id.0.to_string(), 3);
        let line = progress_line(view, width.saturating_sub(6), look);
        lines.push(format!("{} {line}", look.paint(Style::Accent, &number)));
        if let Some(trouble) = view.trouble.as_ref().filter(|_| view.state.is_stuck()) {
            let trouble = fit(&display_safe(trouble), width.saturating_sub(6));
            lines.push(format!("    {}", look.paint(Style::Faint, &trouble)));
        }
    }
    let row = |view: &UploadView| {
        let name = display_safe(&view.name).into_owned();
        let rate = view.place.map_or_else(|| Rate(view.rate).to_string(), waiting);
        [view.peer.to_string(), name, Size(view.sent).to_string(), rate]
    };
    let rows: Vec<_> = uploads.iter().map(row).collect();
    if !rows.is_empty() {
        lines.extend(lay_out(&UPLOADS, &rows, width, look));
    }
    lines
}

fn download_line(view: &DownloadView) -> String {
    let size = view.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let percent = view.size.map_or(0, |size| percent(view.bytes_done, size));
    let left = view.left.map_or_else(|| "-".to_owned(), |left| Span(left).to_string());
    let trouble = view.trouble.as_ref().filter(|_| view.state.is_stuck());
    let trouble = trouble.map(|trouble| format!("\t{}", display_safe(trouble))).unwrap_or_default();
    format!(
        "download\t{}\t{}\t{}\t{percent}%\t{}/{size} bytes\t{}\t{}/{} pieces\t{}/{} sources\t{left}\t{}{trouble}",
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
    )
}

fn upload_line(view: &UploadView) -> String {
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
