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
use crate::repl::command_error::CommandError;
use crate::repl::output::Audience;
use crate::repl::progress::{group_line, progress_lines};
use crate::repl::session::{ReplSession, display_path, pluralize};
use crate::repl::space_notices::SpaceNotices;
use crate::view::{DownloadState, DownloadView};
use swarm::RateMeter;

/// How often progress is looked at when nothing else happens.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long downloads that are stopped may take to put their parts in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The most downloads that a person is told one by one to be stopped.
const MAX_STOPPED_LINES: usize = 5;

/// The most failures of a group that a person is told one by one.
const MAX_FAILURE_LINES: usize = 20;

/// Downloads that are waited for together.
struct DownloadFollower {
    /// In the order in which they were asked for.
    pending: Vec<PendingDownload>,
    finished: Vec<DownloadView>,
    /// How they are shown together, if they are.
    group: Option<DownloadGroup>,
    group_rate: GroupRate,
    failed: usize,
    space_notices: SpaceNotices,
    wait_notes: WaitNoteTimer,
    /// When the downloads were last looked through for news of room: they may be a thousand.
    last_check: Instant,
}

/// The rate of the downloads of a group together. Files of a few kilobytes are over before a rate of their own is measured.
struct GroupRate {
    meter: RateMeter,
    /// How many bytes it has counted.
    counted: u64,
}

/// The order in which downloads that are over are reported to a script; a person is told at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReportOrder {
    /// That in which they were asked for.
    AsRequested,
    /// All that are over, whether or not earlier ones are.
    AsFinished,
}

/// A download that is not over.
struct PendingDownload {
    view: watch::Receiver<DownloadView>,
    /// The file that it shall bring.
    file: Option<Digest>,
}

/// Waits until downloads are over and tells of each: scripts in the order in which they were asked for, people as soon as
/// it is so.
/// Those that are not over after `timeout` are left to go on.
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
    let (room, looked) = (SpaceNotices::default(), Instant::now());
    let notes = WaitNoteTimer::new(looked);
    let deadline = timeout.and_then(|timeout| looked.checked_add(timeout));
    let group_rate = GroupRate { meter: RateMeter::new(looked), counted: 0 };
    let mut following = DownloadFollower {
        pending,
        finished: Vec::new(),
        group,
        group_rate,
        failed: 0,
        space_notices: room,
        wait_notes: notes,
        last_check: looked,
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
        // A download that ends without a word is stopped with its node; the next report tells of it.
        let _ = tokio::time::timeout(POLL_INTERVAL, first.view.changed()).await;
    }
    // At the deadline a script learns of all that are over, also of those behind one that is not.
    following.report(session, ReportOrder::AsFinished)?;
    session.output.clear_live();
    if let Some(group) = &following.group {
        let (audience, look) = (session.output.audience(), session.output.look());
        let left = following.pending.iter().map(|pending| pending.view.borrow().clone());
        let views: Vec<DownloadView> = following.finished.iter().cloned().chain(left).collect();
        session.output.lines(group.summary(&views, looked.elapsed(), audience, look))?;
    }
    let is_unfinished = following.leave_in_background(session)?;
    match following.failed {
        0 if is_unfinished => Err(CommandError::Unfinished),
        0 => Ok(()),
        _ => Err(CommandError::AlreadyReported),
    }
}

impl DownloadFollower {
    /// Reports those that are over and have not been reported.
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

    /// Lets those that are not over go on in the background; returns true if there are any.
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

    /// Tells of those that wait: for room on the disk at once, and a script now and then why.
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
            // A torrent that was said to be the file.
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
            if let Some(trouble) = &view.warning {
                session.output.warning(display_safe(trouble));
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
    /// Returns the rate once so many bytes have come in all, in bytes per second.
    fn update(&mut self, bytes: u64, now: Instant) -> f64 {
        self.meter.add(bytes.saturating_sub(self.counted), now);
        self.counted = self.counted.max(bytes);
        self.meter.rate(now)
    }
}

/// Stops the downloads that the interrupted command waited for, and tells of each what has become of it. A script ends with
/// that, and the node with it; so its downloads go on when the node is started again.
pub(crate) async fn stop_foreground(session: &mut ReplSession) -> Result<(), CommandError> {
    let ids = std::mem::take(&mut session.foreground);
    session.output.clear_live();
    let mut stopped = Vec::new();
    let is_person = session.output.is_for_person();
    for id in ids {
        let downloads = session.node.downloads();
        // Those that failed stay listed, and those that are over long ago are forgotten.
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
    // One that takes longer is still going to stop.
    let _ = tokio::time::timeout(STOP_TIMEOUT, all_over).await;
    if is_person && stopped.len() > MAX_STOPPED_LINES {
        let downloads = pluralize(stopped.len() as u64, "download");
        session
            .output
            .line(format!("stopped {downloads}; what has come is kept, download them again to resume"))?;
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
