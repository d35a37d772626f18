use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::report::{SkipReason, SkippedEntry};
use super::shares::beneath;
use crate::storage::FileIdentity;

/// How many files are hashed at the same time: enough to keep a disk and a core busy, few enough for everything else to
/// go on.
const MAX_ACTIVE: usize = 2;

/// How often a file that could not be hashed is tried again at short notice.
const MAX_FAILURES: u32 = 4;

/// How often a file may change while it waits before nobody waits for it any more.
const MAX_POSTPONED: u32 = 10;

/// The pause before the first new attempt; it doubles with each.
const INITIAL_RETRY_DELAY: Duration = Duration::from_millis(500);

/// How long a file that could not be hashed is left alone then.
const PARKED_RETRY_DELAY: Duration = Duration::from_secs(30);

/// Which file is hashed when. Pure: the time is an argument.
///
/// A file that keeps changing or cannot be read is put *aside* after a while: it is tried again, but nobody waits for it.
#[derive(Debug, Default)]
pub(super) struct WorkQueue {
    jobs: BTreeMap<PathBuf, HashJob>,
    /// May name files whose job is gone or is no longer ready; those are passed over.
    ready: VecDeque<PathBuf>,
    delayed: BTreeMap<(Instant, u64), PathBuf>,
    /// Tells apart what is due at the same moment.
    next_ticket: u64,
    active: usize,
    parked: usize,
    /// The bytes of all jobs that somebody may wait for.
    bytes: u64,
}

#[derive(Debug)]
struct HashJob {
    identity: FileIdentity,
    stage: JobStage,
    failures: u32,
    postponed: u32,
    parked: Option<SkipReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobStage {
    Ready,
    Delayed(Instant, u64),
    Active,
}

/// What becomes of a file that could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryOutcome {
    Soon,
    Parked,
    /// Nobody wants it any more.
    Dropped,
}

/// When a file is to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStart {
    /// Before all that wait.
    First,
    /// After all that wait.
    Last,
    /// Not before that moment, and then before all that wait.
    NotBefore(Instant),
}

impl WorkQueue {
    /// Asks for a file to be hashed as it was seen. A job for it that waits or runs already is kept.
    pub(super) fn add(&mut self, location: &Path, identity: FileIdentity, when: JobStart) {
        let Some(job) = self.jobs.get(location) else {
            let job = HashJob { identity, stage: JobStage::Ready, failures: 0, postponed: 0, parked: None };
            self.bytes = self.bytes.saturating_add(identity.size);
            self.jobs.insert(location.to_owned(), job);
            return self.schedule(location, when);
        };
        let is_changed = job.identity != identity;
        let (stage, failures, aside) = (job.stage, job.failures, job.parked.clone());
        let postponed = job.postponed + u32::from(is_changed);
        self.set_parked(location, None);
        if let Some(job) = self.jobs.get_mut(location) {
            self.bytes = self.bytes.saturating_sub(job.identity.size).saturating_add(identity.size);
            job.identity = identity;
            job.postponed = postponed;
        }
        match (when, stage) {
            // What runs finds out by itself that the file has changed; what is ready is in its place.
            (_, JobStage::Active) | (JobStart::Last, JobStage::Ready) => {}
            // Somebody waits for it again.
            (JobStart::First, _) => return self.schedule(location, when),
            _ if is_changed && failures < MAX_FAILURES => self.schedule(location, when),
            _ => {}
        }
        if failures >= MAX_FAILURES || postponed >= MAX_POSTPONED {
            self.set_parked(location, aside.or(Some(SkipReason::Changing)));
        } else if !is_changed {
            self.set_parked(location, aside);
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
                job.stage = JobStage::Ready;
                self.ready.push_front(location);
            }
        }
        while let Some(location) = self.ready.pop_front() {
            if let Some(job) = self.jobs.get_mut(&location).filter(|job| job.stage == JobStage::Ready) {
                job.stage = JobStage::Active;
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
        self.set_parked(location, None);
        let Some(job) = self.jobs.remove(location) else { return };
        self.bytes = self.bytes.saturating_sub(job.identity.size);
        if let JobStage::Delayed(due, ticket) = job.stage {
            self.delayed.remove(&(due, ticket));
        }
    }

    /// Puts a file back that could not be hashed for that reason.
    pub(super) fn retry(&mut self, location: &Path, reason: SkipReason, now: Instant) -> RetryOutcome {
        let Some(job) = self.jobs.get_mut(location).filter(|job| job.stage == JobStage::Active) else {
            return RetryOutcome::Dropped;
        };
        // What is forbidden stays so until the file changes.
        let is_forbidden = reason == SkipReason::Unreadable(ErrorKind::PermissionDenied);
        job.failures += u32::from(!is_forbidden);
        if job.failures < MAX_FAILURES && !is_forbidden {
            let pause = INITIAL_RETRY_DELAY * (1 << (job.failures - 1));
            self.schedule(location, JobStart::NotBefore(now + pause));
            return RetryOutcome::Soon;
        }
        self.schedule(location, JobStart::NotBefore(now + PARKED_RETRY_DELAY));
        self.set_parked(location, Some(reason));
        RetryOutcome::Parked
    }

    /// Puts the job of a file where it will be found in time.
    fn schedule(&mut self, location: &Path, when: JobStart) {
        let Some(job) = self.jobs.get_mut(location) else { return };
        if let JobStage::Delayed(due, ticket) = job.stage {
            self.delayed.remove(&(due, ticket));
        }
        job.stage = JobStage::Ready;
        match when {
            JobStart::First => self.ready.push_front(location.to_owned()),
            JobStart::Last => self.ready.push_back(location.to_owned()),
            JobStart::NotBefore(due) => {
                job.stage = JobStage::Delayed(due, self.next_ticket);
                self.delayed.insert((due, self.next_ticket), location.to_owned());
                self.next_ticket += 1;
            }
        }
    }

    /// Puts a file aside, or back among those that are waited for.
    fn set_parked(&mut self, location: &Path, reason: Option<SkipReason>) {
        let Some(job) = self.jobs.get_mut(location) else { return };
        match (job.parked.is_some(), reason.is_some()) {
            (false, true) => {
                self.parked += 1;
                self.bytes = self.bytes.saturating_sub(job.identity.size);
            }
            (true, false) => {
                self.parked -= 1;
                self.bytes = self.bytes.saturating_add(job.identity.size);
            }
            _ => {}
        }
        job.parked = reason;
    }

    /// Says whether a file at or below the place is to be hashed, apart from those put aside.
    pub(super) fn has_pending_beneath(&self, place: &Path) -> bool {
        beneath(&self.jobs, place).any(|(_, job)| job.parked.is_none())
    }

    /// Goes through the files at and below the place that were put aside.
    pub(super) fn parked_beneath<'a>(
        &'a self,
        place: &'a Path,
    ) -> impl Iterator<Item = SkippedEntry> + use<'a> {
        let jobs = beneath(&self.jobs, place);
        jobs.filter_map(|(location, job)| {
            Some(SkippedEntry { location: location.clone(), reason: job.parked.clone()? })
        })
    }

    /// Returns true if files are put aside.
    pub(super) const fn has_parked(&self) -> bool {
        self.parked > 0
    }

    /// Returns how many files are to be hashed, apart from those put aside.
    pub(super) fn files_left(&self) -> usize {
        self.jobs.len() - self.parked
    }

    /// Returns the size of all that is to be hashed, apart from what was put aside.
    pub(super) fn bytes_left(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
