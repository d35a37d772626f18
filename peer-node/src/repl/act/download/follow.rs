use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::escape::display_safe;
use tokio::sync::watch;

use super::Awaited;
use super::ending::{another, begun, done, ended, problem, suspended};
use super::group::Group;
use super::wait_notes::{WaitNotes, unfinished, wait_note};
use crate::repl::failure::Failure;
use crate::repl::output::Audience;
use crate::repl::progress::{group_line, progress_lines};
use crate::repl::room_news::RoomNews;
use crate::repl::session::{Session, count, show_path};
use crate::swarm::RateMeter;
use crate::transfers::{DownloadState, DownloadView};

/// How often progress is looked at when nothing else happens.
const PAUSE: Duration = Duration::from_millis(250);

/// How long downloads that are stopped may take to put their parts in order.
const STOPPING: Duration = Duration::from_secs(2);

/// The most downloads that a person is told one by one to be stopped.
const MOST_STOPPED: usize = 5;

/// The most failures of a group that a person is told one by one.
const MOST_FAILURES: usize = 20;

/// Downloads that are waited for together.
struct Following {
    /// In the order in which they were asked for.
    pending: Vec<Pending>,
    over: Vec<DownloadView>,
    /// How they are shown together, if they are.
    group: Option<Group>,
    group_rate: GroupRate,
    failed: usize,
    room: RoomNews,
    notes: WaitNotes,
    /// When the downloads were last looked through for news of room: they may be a thousand.
    looked: Instant,
}

/// The rate of the downloads of a group together. Files of a few kilobytes are over before a rate of their own is measured.
struct GroupRate {
    meter: RateMeter,
    /// How many bytes it has counted.
    counted: u64,
}

/// The order in which downloads that are over are reported to a script; a person is told at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// That in which they were asked for.
    AsAsked,
    /// All that are over, whether or not earlier ones are.
    AsOver,
}

/// A download that is not over.
struct Pending {
    view: watch::Receiver<DownloadView>,
    /// The file that it shall bring.
    file: Option<Digest>,
}

/// Waits until downloads are over and tells of each: scripts in the order in which they were asked for, people as soon as
/// it is so.
/// Those that are not over after `timeout` are left to go on.
pub(super) async fn follow(
    session: &mut Session,
    awaited: Vec<Awaited>,
    group: Option<Group>,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let pending = awaited.into_iter().map(|Awaited { view, file, .. }| Pending { view, file }).collect();
    let (room, looked) = (RoomNews::default(), Instant::now());
    let notes = WaitNotes::new(looked);
    let deadline = timeout.and_then(|timeout| looked.checked_add(timeout));
    let group_rate = GroupRate { meter: RateMeter::new(looked), counted: 0 };
    let mut following =
        Following { pending, over: Vec::new(), group, group_rate, failed: 0, room, notes, looked };
    loop {
        following.report(session, Order::AsAsked)?;
        following.tell_of_waiting(session)?;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        let Some(first) = following.pending.first_mut() else { break };
        if session.output.wants_live() {
            following.draw(session);
            continue;
        }
        // A download that ends without a word is stopped with its node; the next report tells of it.
        let _ = tokio::time::timeout(PAUSE, first.view.changed()).await;
    }
    // At the deadline a script learns of all that are over, also of those behind one that is not.
    following.report(session, Order::AsOver)?;
    session.output.clear_live();
    if let Some(group) = &following.group {
        let (audience, look) = (session.output.audience(), session.output.look());
        let left = following.pending.iter().map(|pending| pending.view.borrow().clone());
        let views: Vec<DownloadView> = following.over.iter().cloned().chain(left).collect();
        session.output.lines(group.summary(&views, looked.elapsed(), audience, look))?;
    }
    let is_unfinished = following.leave(session)?;
    match following.failed {
        0 if is_unfinished => Err(Failure::Unfinished),
        0 => Ok(()),
        _ => Err(Failure::Told),
    }
}

impl Following {
    /// Reports those that are over and have not been reported.
    fn report(&mut self, session: &mut Session, order: Order) -> Result<(), Failure> {
        let waits_for_earlier = order == Order::AsAsked && !session.output.is_for_person();
        let mut at = 0;
        while let Some(Pending { view, .. }) = self.pending.get(at) {
            let is_over = view.borrow().state.is_settled() || view.has_changed().is_err();
            if !is_over {
                if waits_for_earlier {
                    break;
                }
                at += 1;
                continue;
            }
            let Pending { view, file } = self.pending.remove(at);
            let view = view.borrow().clone();
            self.tell(session, &view, file)?;
            self.over.push(view);
        }
        Ok(())
    }

    /// Lets those that are not over go on in the background; returns true if there are any.
    fn leave(&mut self, session: &mut Session) -> Result<bool, Failure> {
        let is_person = session.output.is_for_person();
        for Pending { view, .. } in &self.pending {
            let view = session.node.downloads().ranked(view.borrow().clone());
            if is_person {
                session.background.add(view.id);
                session.output.line(begun(&view, Audience::Person))?;
            } else {
                session.output.warning(unfinished(&view));
            }
        }
        Ok(!self.pending.is_empty() && !is_person)
    }

    /// Tells of those that wait: for room on the disk at once, and a script now and then why.
    fn tell_of_waiting(&mut self, session: &mut Session) -> Result<(), Failure> {
        if self.looked.elapsed() < PAUSE {
            return Ok(());
        }
        self.looked = Instant::now();
        for Pending { view, .. } in &self.pending {
            let Some(text) = self.room.of(&view.borrow()) else { continue };
            if session.output.is_for_person() {
                session.output.line(text)?;
            } else {
                session.output.warning(text);
            }
        }
        if !session.output.is_for_person() && self.notes.is_due(self.looked) {
            let downloads = session.node.downloads();
            let views = self.pending.iter().map(|pending| downloads.ranked(pending.view.borrow().clone()));
            let views: Vec<DownloadView> = views.collect();
            if let Some(note) = wait_note(&views) {
                session.output.note(note);
            }
        }
        Ok(())
    }

    fn tell(
        &mut self,
        session: &mut Session,
        view: &DownloadView,
        file: Option<Digest>,
    ) -> Result<(), Failure> {
        let renamed = match &view.state {
            // A torrent that was said to be the file.
            state if state.is_here() && file.is_some_and(|file| view.digest != Some(file)) => {
                self.failed += 1;
                session.output.error(another(view));
                return Ok(());
            }
            DownloadState::Done { location, renamed } => {
                Some(renamed.as_deref().map(|why| (show_path(location), why)))
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
                let lines = done(view, renamed, session.output.audience(), session.output.look());
                session.output.lines(lines)?;
            }
            if let Some(trouble) = &view.trouble {
                session.output.warning(display_safe(trouble));
            }
        } else {
            self.failed += 1;
            if self.failed <= MOST_FAILURES || !session.output.is_for_person() {
                session.output.error(problem(view));
            }
        }
        Ok(())
    }

    fn draw(&mut self, session: &mut Session) {
        let (look, width, height) = session.output.live_frame();
        let mut views: Vec<DownloadView> =
            self.pending.iter().map(|pending| pending.view.borrow().clone()).collect();
        if let [only] = views.as_mut_slice() {
            *only = session.node.downloads().ranked(only.clone());
        }
        if let Some(group) = &self.group {
            let bytes = self.over.iter().chain(&views).map(|view| view.bytes_fetched).sum();
            let rate = self.group_rate.after(bytes, Instant::now());
            let line = group_line((group.name(), rate), self.over.iter().chain(&views), width, look);
            return session.output.draw(vec![line]);
        }
        views.truncate(height);
        session.output.draw(progress_lines(&views, width, look));
    }
}

impl GroupRate {
    /// Returns the rate once so many bytes have come in all, in bytes per second.
    fn after(&mut self, bytes: u64, now: Instant) -> f64 {
        self.meter.add(bytes.saturating_sub(self.counted), now);
        self.counted = self.counted.max(bytes);
        self.meter.rate(now)
    }
}

/// Stops the downloads that the interrupted command waited for, and tells of each what has become of it. A script ends with
/// that, and the node with it; so its downloads go on when the node is started again.
pub(crate) async fn stop_foreground(session: &mut Session) -> Result<(), Failure> {
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
    let _ = tokio::time::timeout(STOPPING, all_over).await;
    if is_person && stopped.len() > MOST_STOPPED {
        let downloads = count(stopped.len() as u64, "download");
        session
            .output
            .line(format!("stopped {downloads}; what has come is kept, download them again to resume"))?;
        return Ok(());
    }
    for view in stopped {
        let view = view.borrow();
        if is_person {
            session.output.line(ended(&view))?;
        } else if view.state == DownloadState::Cancelled {
            session.output.error(suspended(&view));
        } else {
            session.output.error(ended(&view));
        }
    }
    Ok(())
}
