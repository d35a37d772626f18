use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::escape::display_safe;
use tokio::sync::watch;

use super::AwaitedDownload;
use super::group::DownloadGroup;
use super::messages::{
    background_text, done_lines, failure_text, stopped_text, suspended_text, wrong_file_text,
};
use super::wait_notes::{WaitNoteTimer, unfinished_text, wait_note};
use crate::frontend::console::output::Audience;
use crate::frontend::console::progress::{group_line, progress_lines};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, pluralize};
use crate::frontend::repl::space_notices::SpaceNotices;
use crate::view::{DownloadState, DownloadView};
use swarm::RateMeter;

/// How often the progress is updated when nothing else happens.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum time for stopped downloads to save their partial data.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Beyond this number, stopped downloads are reported to a person in one line.
const MAX_STOPPED_LINES: usize = 5;

/// The maximum number of failures in a group that are reported to a person one by one.
const MAX_FAILURE_LINES: usize = 20;

/// Downloads that one command waits for.
struct DownloadFollower {
    /// The unfinished downloads, in the requested order.
    pending: Vec<PendingDownload>,
    finished: Vec<DownloadView>,
    /// The group under which they are shown together, if any.
    group: Option<DownloadGroup>,
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

/// An unfinished download.
struct PendingDownload {
    view: watch::Receiver<DownloadView>,
    /// The requested file.
    file: Option<Digest>,
}

/// Waits until downloads have finished and reports each: to a script in the requested order, to a person at once. Downloads that
/// are unfinished after `timeout` continue in the background.
pub(super) async fn follow(
    session: &mut ReplSession,
    awaited: Vec<AwaitedDownload>,
    group: Option<DownloadGroup>,
    timeout: Option<Duration>,
) -> Result<(), CommandError> {
    let pending = awaited
        .into_iter()
        .map(|AwaitedDownload { view, file, .. }| PendingDownload { view, file })
        .collect();
    let (space_notices, started) = (SpaceNotices::default(), Instant::now());
    let wait_notes = WaitNoteTimer::new(started);
    let deadline = timeout.and_then(|timeout| started.checked_add(timeout));
    let group_rate = GroupRate { meter: RateMeter::new(started), counted: 0 };
    let mut following = DownloadFollower {
        pending,
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
        // A closed channel means that the download stopped with its node; the next report handles it.
        let _ = tokio::time::timeout(POLL_INTERVAL, first.view.changed()).await;
    }
    // After the deadline a script also gets the finished downloads behind an unfinished one.
    following.report(session, ReportOrder::AsFinished)?;
    session.output.clear_live();
    if let Some(group) = &following.group {
        let (audience, look) = (session.output.audience(), session.output.look());
        let unfinished = following.pending.iter().map(|pending| pending.view.borrow().clone());
        let views: Vec<DownloadView> = following.finished.iter().cloned().chain(unfinished).collect();
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
        while let Some(PendingDownload { view, .. }) = self.pending.get(at) {
            let is_over = view.borrow().state.is_settled() || view.has_changed().is_err();
            if !is_over {
                if waits_for_earlier {
                    break;
                }
                at += 1;
                continue;
            }
            let PendingDownload { view, file } = self.pending.remove(at);
            let view = view.borrow().clone();
            self.report_finished(session, &view, file)?;
            self.finished.push(view);
        }
        Ok(())
    }

    /// Moves unfinished downloads to the background. Returns true if a script has any.
    fn leave_in_background(&mut self, session: &mut ReplSession) -> Result<bool, CommandError> {
        let is_person = session.output.is_for_person();
        for PendingDownload { view, .. } in &self.pending {
            let view = session.node.downloads().with_rank(view.borrow().clone());
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
        for PendingDownload { view, .. } in &self.pending {
            let Some(text) = self.space_notices.notice_for(&view.borrow()) else { continue };
            if session.output.is_for_person() {
                session.output.line(text)?;
            } else {
                session.output.warning(text);
            }
        }
        if !session.output.is_for_person() && self.wait_notes.is_due(self.last_check) {
            let downloads = session.node.downloads();
            let views = self.pending.iter().map(|pending| downloads.with_rank(pending.view.borrow().clone()));
            let views: Vec<DownloadView> = views.collect();
            if let Some(note) = wait_note(&views) {
                session.output.note(note);
            }
        }
        Ok(())
    }

    fn report_finished(
        &mut self,
        session: &mut ReplSession,
        view: &DownloadView,
        file: Option<Digest>,
    ) -> Result<(), CommandError> {
        let renamed = match &view.state {
            // A torrent that claimed to contain the requested file.
            state if state.is_complete() && file.is_some_and(|file| view.digest != Some(file)) => {
                self.failed += 1;
                session.output.error(wrong_file_text(view));
                return Ok(());
            }
            DownloadState::Done { location, renamed } => {
                Some(renamed.as_deref().map(|why| (display_path(location), why)))
            }
            DownloadState::Seeding { .. } => Some(None),
            _ => None,
        };
        if let Some(renamed) = renamed {
            let renamed = renamed.as_ref().map(|(place, why)| (place.as_str(), *why));
            let is_one_of_many = self.group.is_some() && session.output.is_for_person();
            if let (true, Some((place, why))) = (is_one_of_many, renamed) {
                let name = display_safe(&view.name);
                session.output.line(format!("{name} saved as {place}: {}", display_safe(why)))?;
            } else if !is_one_of_many {
                let lines = done_lines(view, renamed, session.output.audience(), session.output.look());
                session.output.lines(lines)?;
            }
            if let Some(warning) = &view.warning {
                session.output.warning(display_safe(warning));
            }
        } else {
            self.failed += 1;
            if self.failed <= MAX_FAILURE_LINES || !session.output.is_for_person() {
                session.output.error(failure_text(view));
            }
        }
        Ok(())
    }

    fn draw(&mut self, session: &mut ReplSession) {
        let (look, width, height) = session.output.live_frame();
        let mut views: Vec<DownloadView> =
            self.pending.iter().map(|pending| pending.view.borrow().clone()).collect();
        if let [only] = views.as_mut_slice() {
            *only = session.node.downloads().with_rank(only.clone());
        }
        if let Some(group) = &self.group {
            let bytes = self.finished.iter().chain(&views).map(|view| view.bytes_fetched).sum();
            let rate = self.group_rate.update(bytes, Instant::now());
            let line = group_line((group.name(), rate), self.finished.iter().chain(&views), width, look);
            return session.output.draw(vec![line]);
        }
        views.truncate(height);
        session.output.draw(progress_lines(&views, width, look));
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
    let mut stopped = Vec::new();
    let is_person = session.output.is_for_person();
    for id in ids {
        let downloads = session.node.downloads();
        // Finished downloads may have left the list.
        if downloads.watch(id).is_none_or(|view| view.borrow().state.is_over()) {
            continue;
        }
        if if is_person { downloads.cancel(id) } else { downloads.suspend(id) } {
            stopped.extend(session.node.downloads().watch(id));
        }
    }
    let all_over = async {
        for view in &mut stopped {
            let _ = view.wait_for(|view| view.state.is_over()).await;
        }
    };
    // A download that takes longer still stops later.
    let _ = tokio::time::timeout(STOP_TIMEOUT, all_over).await;
    if is_person && stopped.len() > MAX_STOPPED_LINES {
        let downloads = pluralize(stopped.len() as u64, "download");
        session.output.line(format!("stopped {downloads}; download them again to resume"))?;
        return Ok(());
    }
    for view in stopped {
        let view = view.borrow();
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
