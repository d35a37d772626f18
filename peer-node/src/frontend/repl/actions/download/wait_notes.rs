use std::time::{Duration, Instant};

use protocol::escape::display_safe;

use crate::frontend::console::progress_bar::percent;
use crate::operations::Download;
use crate::view::DownloadState;

/// How often a script gets a note why its downloads wait.
const NOTE_INTERVAL: Duration = Duration::from_secs(30);

/// Decides when a script gets a note why its downloads wait.
#[derive(Debug)]
pub(super) struct WaitNoteTimer {
    due: Instant,
}

impl WaitNoteTimer {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + NOTE_INTERVAL }
    }

    /// Returns true if a note is due, and schedules the next one.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + NOTE_INTERVAL;
        }
        is_due
    }
}

/// Returns why downloads wait, in one line; `None` if none of them does.
pub(super) fn wait_note(views: &[Download]) -> Option<String> {
    let waiting = || views.iter().filter_map(|view| Some((view, wait_reason(view)?)));
    let (first, why) = waiting().next()?;
    let name = &first.name;
    match waiting().count() {
        1 => Some(format!("{name}: {why}")),
        count => Some(format!("{count} downloads are waiting, e.g. {name}: {why}")),
    }
}

/// Returns the message for a download that is unfinished at its timeout.
pub(crate) fn unfinished_text(view: &Download) -> String {
    let name = &view.name;
    let progress = view.size.map(|size| format!("{}%", percent(view.bytes_done, size)));
    let details: Vec<String> = progress.into_iter().chain(wait_reason(view)).collect();
    if details.is_empty() {
        return format!("{name}: unfinished, will resume");
    }
    format!("{name}: unfinished, will resume ({})", details.join(", "))
}

fn wait_reason(view: &Download) -> Option<String> {
    if view.state == DownloadState::Searching {
        return Some("looking for sources".to_owned());
    }
    let why = view.wait_reason()?;
    let warning = view.warning.as_ref().filter(|_| view.state.is_stuck());
    Some(warning.map(|warning| format!("{why}: {}", display_safe(warning))).unwrap_or(why))
}
