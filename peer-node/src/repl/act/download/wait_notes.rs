use std::time::{Duration, Instant};

use protocol::escape::display_safe;

use crate::repl::bar::percent;
use crate::transfers::{DownloadState, DownloadView};

/// How often a script is told why its downloads wait.
const EVERY: Duration = Duration::from_secs(30);

/// When a script is told why its downloads wait.
#[derive(Debug)]
pub(super) struct WaitNotes {
    due: Instant,
}

impl WaitNotes {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + EVERY }
    }

    /// Returns true if a note is due, which it then takes to be given.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + EVERY;
        }
        is_due
    }
}

/// Returns why downloads wait, in one line; nothing if none of them does.
pub(super) fn wait_note(views: &[DownloadView]) -> Option<String> {
    let waiting = || views.iter().filter_map(|view| Some((view, reason(view)?)));
    let (first, why) = waiting().next()?;
    let name = display_safe(&first.name);
    match waiting().count() {
        1 => Some(format!("{name}: {why}")),
        count => Some(format!("{count} downloads wait, the first is {name}: {why}")),
    }
}

/// Says that a download has not come to its end in the time that was given to it.
pub(crate) fn unfinished(view: &DownloadView) -> String {
    let name = display_safe(&view.name);
    let here = view.size.map(|size| format!("{}%", percent(view.bytes_done, size)));
    let details: Vec<String> = here.into_iter().chain(reason(view)).collect();
    if details.is_empty() {
        return format!("{name}: unfinished, will resume");
    }
    format!("{name}: unfinished, will resume ({})", details.join(", "))
}

fn reason(view: &DownloadView) -> Option<String> {
    if view.state == DownloadState::Looking {
        return Some("looking for sources".to_owned());
    }
    let why = view.waits_for()?;
    let trouble = view.trouble.as_ref().filter(|_| view.state.is_stuck());
    Some(trouble.map(|trouble| format!("{why}: {}", display_safe(trouble))).unwrap_or(why))
}
