use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::file_identity::FileIdentity;
use super::report::{Skip, SkipReason};
use super::shares::beneath;

/// How many files are hashed at the same time: enough to keep a disk and a core busy, few enough for everything else to
/// go on.
const MAX_ACTIVE: usize = 2;

/// How often a file that could not be hashed is tried again at short notice.
const MAX_FAILURES: u32 = 4;

/// How often a file may change while it waits before nobody waits for it any more.
const MAX_POSTPONED: u32 = 10;

/// The pause before the first new attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long a file that could not be hashed is left alone then.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// Which file is hashed when. Pure: the time is an argument.
///
/// A file that keeps changing or cannot be read is put *aside* after a while: it is tried again, but nobody waits for it.
#[derive(Debug, Default)]
pub(super) struct WorkQueue {
    jobs: BTreeMap<PathBuf, Job>,
    /// May name files whose job is gone or is no longer ready; those are passed over.
    ready: VecDeque<PathBuf>,
    delayed: BTreeMap<(Instant, u64), PathBuf>,
    /// Tells apart what is due at the same moment.
    next_ticket: u64,
    active: usize,
    aside: usize,
    /// The bytes of all jobs that somebody may wait for.
    bytes: u64,
}

#[derive(Debug)]
struct Job {
    identity: FileIdentity,
    stage: Stage,
    failures: u32,
    postponed: u32,
    aside: Option<SkipReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ready,
    Delayed(Instant, u64),
    Active,
}

/// What becomes of a file that could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Soon,
    Aside,
    /// Nobody wants it any more.
    Dropped,
}

/// When a file is to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before all that wait.
    First,
    /// After all that wait.
    Last,
    /// Not before that moment, and then before all that wait.
    NotBefore(Instant),
}

impl WorkQueue {
    /// Asks for a file to be hashed as it was seen. A job for it that waits or runs already is kept.
    pub(super) fn add(&mut self, location: &Path, identity: FileIdentity, when: When) {
        let Some(job) = self.jobs.get(location) else {
            let job = Job { identity, stage: Stage::Ready, failures: 0, postponed: 0, aside: None };
            self.bytes = self.bytes.saturating_add(identity.size);
            self.jobs.insert(location.to_owned(), job);
            return self.schedule(location, when);
        };
        let is_changed = job.identity != identity;
        let (stage, failures, aside) = (job.stage, job.failures, job.aside.clone());
        let postponed = job.postponed + u32::from(is_changed);
        self.set_aside(location, None);
        if let Some(job) = self.jobs.get_mut(location) {
            self.bytes = self.bytes.saturating_sub(job.identity.size).saturating_add(identity.size);
            job.identity = identity;
            job.postponed = postponed;
        }
        match (when, stage) {
            // What runs finds out by itself that the file has changed; what is ready is in its place.
            (_, Stage::Active) | (When::Last, Stage::Ready) => {}
            // Somebody waits for it again.
            (When::First, _) => return self.schedule(location, when),
            _ if is_changed && failures < MAX_FAILURES => self.schedule(location, when),
            _ => {}
        }
        if failures >= MAX_FAILURES || postponed >= MAX_POSTPONED {
            self.set_aside(location, aside.or(Some(SkipReason::Changing)));
        } else if !is_changed {
            self.set_aside(location, aside);
        }
    }

    /// Returns the next file to hash and counts it as begun, if there is one and room for it.
    pub(super) fn begin_next(&mut self, now: Instant) -> Option<(PathBuf, FileIdentity)> {
        if self.active >= MAX_ACTIVE {
            return None;
        }
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let location = entry.remove();
            if let Some(job) = self.jobs.get_mut(&location) {
                job.stage = Stage::Ready;
                self.ready.push_front(location);
            }
        }
        while let Some(location) = self.ready.pop_front() {
            if let Some(job) = self.jobs.get_mut(&location).filter(|job| job.stage == Stage::Ready) {
                job.stage = Stage::Active;
                self.active += 1;
                return Some((location, job.identity));
            }
        }
        None
    }

    /// Returns when the next file that must wait is due; `None` while nothing more could be begun anyway.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let ((due, _), _) = self.delayed.first_key_value()?;
        (self.active < MAX_ACTIVE).then_some(*due)
    }

    /// Counts a begun file as ended, however it did; one that nobody took back is still in the queue.
    pub(super) fn end(&mut self) {
        self.active = self.active.saturating_sub(1);
    }

    /// Forgets a file: it is hashed, or gone.
    pub(super) fn remove(&mut self, location: &Path) {
        self.set_aside(location, None);
        let Some(job) = self.jobs.remove(location) else { return };
        self.bytes = self.bytes.saturating_sub(job.identity.size);
        if let Stage::Delayed(due, ticket) = job.stage {
            self.delayed.remove(&(due, ticket));
        }
    }

    /// Puts a file back that could not be hashed for that reason.
    pub(super) fn retry(&mut self, location: &Path, reason: SkipReason, now: Instant) -> Retry {
        let Some(job) = self.jobs.get_mut(location).filter(|job| job.stage == Stage::Active) else {
            return Retry::Dropped;
        };
        // What is forbidden stays so until the file changes.
        let is_forbidden = reason == SkipReason::Unreadable(ErrorKind::PermissionDenied);
        job.failures += u32::from(!is_forbidden);
        if job.failures < MAX_FAILURES && !is_forbidden {
            let pause = FIRST_PAUSE * (1 << (job.failures - 1));
            self.schedule(location, When::NotBefore(now + pause));
            return Retry::Soon;
        }
        self.schedule(location, When::NotBefore(now + LONG_PAUSE));
        self.set_aside(location, Some(reason));
        Retry::Aside
    }

    /// Puts the job of a file where it will be found in time.
    fn schedule(&mut self, location: &Path, when: When) {
        let Some(job) = self.jobs.get_mut(location) else { return };
        if let Stage::Delayed(due, ticket) = job.stage {
            self.delayed.remove(&(due, ticket));
        }
        job.stage = Stage::Ready;
        match when {
            When::First => self.ready.push_front(location.to_owned()),
            When::Last => self.ready.push_back(location.to_owned()),
            When::NotBefore(due) => {
                job.stage = Stage::Delayed(due, self.next_ticket);
                self.delayed.insert((due, self.next_ticket), location.to_owned());
                self.next_ticket += 1;
            }
        }
    }

    /// Puts a file aside, or back among those that are waited for.
    fn set_aside(&mut self, location: &Path, reason: Option<SkipReason>) {
        let Some(job) = self.jobs.get_mut(location) else { return };
        match (job.aside.is_some(), reason.is_some()) {
            (false, true) => {
                self.aside += 1;
                self.bytes = self.bytes.saturating_sub(job.identity.size);
            }
            (true, false) => {
                self.aside -= 1;
                self.bytes = self.bytes.saturating_add(job.identity.size);
            }
            _ => {}
        }
        job.aside = reason;
    }

    /// Says whether a file at or below the place is to be hashed, apart from those put aside.
    pub(super) fn waits_beneath(&self, place: &Path) -> bool {
        beneath(&self.jobs, place).any(|(_, job)| job.aside.is_none())
    }

    /// Goes through the files at and below the place that were put aside.
    pub(super) fn aside_beneath<'a>(&'a self, place: &'a Path) -> impl Iterator<Item = Skip> + use<'a> {
        let jobs = beneath(&self.jobs, place);
        jobs.filter_map(|(location, job)| {
            Some(Skip { location: location.clone(), reason: job.aside.clone()? })
        })
    }

    /// Returns true if files are put aside.
    pub(super) const fn has_aside(&self) -> bool {
        self.aside > 0
    }

    /// Returns how many files are to be hashed, apart from those put aside.
    pub(super) fn files_left(&self) -> usize {
        self.jobs.len() - self.aside
    }

    /// Returns the size of all that is to be hashed, apart from what was put aside.
    pub(super) fn bytes_left(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
