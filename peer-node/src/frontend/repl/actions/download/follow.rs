use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::escape::display_safe;

use super::group_text::ShownGroup;
use super::messages::{
    background_text, done_lines, failure_text, stopped_text, suspended_text, wrong_file_text,
};
use super::wait_notes::{WaitNoteTimer, unfinished_text, wait_note};
use crate::frontend::console::output::Audience;
use crate::frontend::console::progress::{group_line, progress_lines};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, pluralize};
use crate::frontend::repl::space_notices::SpaceNotices;
use crate::operations::{AwaitedDownload, Download, DownloadOutcome, SafeName, StopMode};
use crate::view::DownloadState;
use swarm::RateMeter;

/// How often the progress is updated when nothing else happens.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Beyond this number, stopped downloads are reported to a person in one line.
const MAX_STOPPED_LINES: usize = 5;

/// The maximum number of failures in a group that are reported to a person one by one.
const MAX_FAILURE_LINES: usize = 20;

/// Downloads that one command waits for.
struct DownloadFollower {
    /// The unfinished downloads, in the requested order.
    pending: Vec<AwaitedDownload>,
    finished: Vec<Download>,
    /// The group under which they are shown together, if any.
    group: Option<ShownGroup>,
    group_rate: GroupRate,
    failed: usize,
    space_notices: SpaceNotices,
    wait_notes: WaitNoteTimer,
    /// When the downloads were last checked for notices: a check of a thousand is not free.
    last_check: Instant,
}

/// The total rate of a group. Small files finish before their own rate is measured.
struct GroupRate {
    meter: RateMeter,
    /// How many bytes the meter has counted.
    counted: u64,
}

/// The order in which finished downloads are reported to a script; for a person they are reported at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReportOrder {
    /// In the requested order: a finished download waits for earlier ones.
    AsRequested,
    /// All finished downloads at once.
    AsFinished,
}

/// Waits until downloads have finished and reports each: to a script in the requested order, to a person at once. Downloads that
/// are unfinished after `timeout` continue in the background.
pub(super) async fn follow(
    session: &mut ReplSession,
    awaited: Vec<AwaitedDownload>,
    group: Option<ShownGroup>,
    timeout: Option<Duration>,
) -> Result<(), CommandError> {
    let (space_notices, started) = (SpaceNotices::default(), Instant::now());
    let wait_notes = WaitNoteTimer::new(started);
    let deadline = timeout.and_then(|timeout| started.checked_add(timeout));
    let group_rate = GroupRate { meter: RateMeter::new(started), counted: 0 };
    let mut following = DownloadFollower {
        pending: awaited,
        finished: Vec::new(),
        group,
        group_rate,
        failed: 0,
        space_notices,
        wait_notes,
        last_check: started,
    };
    loop {
        following.report(session, ReportOrder::AsRequested)?;
        following.report_waiting(session)?;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        let Some(first) = following.pending.first_mut() else { break };
        if session.output.wants_live() {
            following.draw(session);
            continue;
        }
        let _ = tokio::time::timeout(POLL_INTERVAL, first.changed()).await;
    }
    // After the deadline a script also gets the finished downloads behind an unfinished one.
    following.report(session, ReportOrder::AsFinished)?;
    session.output.clear_live();
    if let Some(group) = &following.group {
        let (audience, look) = (session.output.audience(), session.output.look());
        let unfinished = following.pending.iter().map(AwaitedDownload::view);
        let views: Vec<Download> = following.finished.iter().cloned().chain(unfinished).collect();
        session.output.lines(group.summary(&views, started.elapsed(), audience, look))?;
    }
    let is_unfinished = following.leave_in_background(session)?;
    match following.failed {
        0 if is_unfinished => Err(CommandError::Unfinished),
        0 => Ok(()),
        _ => Err(CommandError::AlreadyReported),
    }
}

impl DownloadFollower {
    /// Reports downloads that have finished since the last call.
    fn report(&mut self, session: &mut ReplSession, order: ReportOrder) -> Result<(), CommandError> {
        let waits_for_earlier = order == ReportOrder::AsRequested && !session.output.is_for_person();
        let mut at = 0;
        while let Some(download) = self.pending.get(at) {
            if !download.is_over() {
                if waits_for_earlier {
                    break;
                }
                at += 1;
                continue;
            }
            let download = self.pending.remove(at);
            let view = download.view();
            self.report_finished(session, &view, download.outcome())?;
            self.finished.push(view);
        }
        Ok(())
    }

    /// Moves unfinished downloads to the background. Returns true if a script has any.
    fn leave_in_background(&mut self, session: &mut ReplSession) -> Result<bool, CommandError> {
        let is_person = session.output.is_for_person();
        for download in &self.pending {
            let view = session.operations.ranked_view(download);
            if is_person {
                session.background.add(view.id);
                session.output.line(background_text(&view, Audience::Person))?;
            } else {
                session.output.warning(unfinished_text(&view));
            }
        }
        Ok(!self.pending.is_empty() && !is_person)
    }

    /// Reports downloads that wait: for disk space at once, and to a script periodically with the reason.
    fn report_waiting(&mut self, session: &mut ReplSession) -> Result<(), CommandError> {
        if self.last_check.elapsed() < POLL_INTERVAL {
            return Ok(());
        }
        self.last_check = Instant::now();
        for download in &self.pending {
            let Some(text) = self.space_notices.notice_for(&download.view()) else { continue };
            if session.output.is_for_person() {
                session.output.line(text)?;
            } else {
                session.output.warning(text);
            }
        }
        if !session.output.is_for_person() && self.wait_notes.is_due(self.last_check) {
            let operations = &session.operations;
            let views: Vec<Download> =
                self.pending.iter().map(|pending| operations.ranked_view(pending)).collect();
            if let Some(note) = wait_note(&views) {
                session.output.note(note);
            }
        }
        Ok(())
    }

    fn report_finished(
        &mut self,
        session: &mut ReplSession,
        view: &Download,
        outcome: DownloadOutcome,
    ) -> Result<(), CommandError> {
        let is_person = session.output.is_for_person();
        match outcome {
            DownloadOutcome::Complete { renamed } => {
                self.report_complete(session, view, renamed.as_ref())?;
            }
            DownloadOutcome::WrongContent => {
                self.failed += 1;
                session.output.error(wrong_file_text(view));
            }
            DownloadOutcome::Incomplete => {
                self.failed += 1;
                if self.failed <= MAX_FAILURE_LINES || !is_person {
                    session.output.error(failure_text(view));
                }
            }
        }
        Ok(())
    }

    fn report_complete(
        &self,
        session: &mut ReplSession,
        view: &Download,
        renamed: Option<&(PathBuf, SafeName)>,
    ) -> Result<(), CommandError> {
        let renamed = renamed.map(|(place, why)| (display_path(place), why.to_string()));
        let renamed = renamed.as_ref().map(|(place, why)| (place.as_str(), why.as_str()));
        let is_one_of_many = self.group.is_some() && session.output.is_for_person();
        if let (true, Some((place, why))) = (is_one_of_many, renamed) {
            let name = &view.name;
            session.output.line(format!("{name} saved as {place}: {why}"))?;
        } else if !is_one_of_many {
            let lines = done_lines(view, renamed, session.output.audience(), session.output.look());
            session.output.lines(lines)?;
        }
        if let Some(warning) = &view.warning {
            session.output.warning(display_safe(warning));
        }
        Ok(())
    }

    fn draw(&mut self, session: &mut ReplSession) {
        let (look, width, height) = session.output.live_frame();
        let views = match self.pending.as_slice() {
            [only] => vec![session.operations.ranked_view(only)],
            several => several.iter().map(AwaitedDownload::view).collect(),
        };
        if let Some(group) = &self.group {
            let bytes = self.finished.iter().chain(&views).map(|view| view.bytes_fetched).sum();
            let rate = self.group_rate.update(bytes, Instant::now());
            let line = group_line((&group.name, rate), self.finished.iter().chain(&views), width, look);
            return session.output.draw(vec![line]);
        }
        let shown = views.get(..height).unwrap_or(&views);
        session.output.draw(progress_lines(shown, width, look));
    }
}

impl GroupRate {
    /// Returns the rate in bytes per second, given the total number of bytes received.
    fn update(&mut self, bytes: u64, now: Instant) -> f64 {
        self.meter.add(bytes.saturating_sub(self.counted), now);
        self.counted = self.counted.max(bytes);
        self.meter.rate(now)
    }
}

/// Stops the downloads that the interrupted command waited for, and reports each. A script and its node end then, so its
/// downloads are only suspended and resume when the node is started again.
pub(crate) async fn stop_foreground(session: &mut ReplSession) -> Result<(), CommandError> {
    let ids = std::mem::take(&mut session.foreground);
    session.output.clear_live();
    let is_person = session.output.is_for_person();
    let mode = if is_person { StopMode::Cancel } else { StopMode::Suspend };
    let stopped = session.operations.stop(ids, mode).await;
    if is_person && stopped.len() > MAX_STOPPED_LINES {
        let downloads = pluralize(stopped.len() as u64, "download");
        session.output.line(format!("stopped {downloads}; download them again to resume"))?;
        return Ok(());
    }
    for view in stopped {
        if is_person {
            session.output.line(stopped_text(&view))?;
        } else if view.state == DownloadState::Cancelled {
            session.output.error(suspended_text(&view));
        } else {
            session.output.error(stopped_text(&view));
        }
    }
    Ok(())
}
