use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::backoff::BackoffRange;

use super::report::{SkipReason, SkippedEntry};
use super::shares::beneath;
use crate::storage::FileIdentity;

/// Number of files that are hashed in parallel: enough to keep a disk and a core busy, few enough to leave resources for
/// everything else.
const MAX_ACTIVE: usize = 2;

/// Number of failed attempts after which a file is parked.
const MAX_FAILURES: u32 = 4;

/// Number of changes after which a waiting file is parked.
const MAX_POSTPONED: u32 = 10;

/// Minimum and maximum delay before a retry.
const RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_millis(500), Duration::from_secs(4));

/// Delay between retries of a parked file.
const PARKED_RETRY_DELAY: Duration = Duration::from_secs(30);

/// Schedules the hashing of files. Pure: the time is an argument.
///
/// A file that keeps changing or cannot be read is *parked* after a while: it is retried, but no caller waits for it.
#[derive(Debug, Default)]
pub(super) struct WorkQueue {
    jobs: BTreeMap<PathBuf, HashJob>,
    /// May contain files whose job is removed or no longer ready; those are skipped.
    ready: VecDeque<PathBuf>,
    delayed: BTreeMap<(Instant, u64), PathBuf>,
    /// Distinguishes entries that are due at the same moment.
    next_ticket: u64,
    active: usize,
    parked: usize,
    /// Total bytes of all jobs that are not parked.
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

/// What happens to a file that could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryOutcome {
    Soon,
    Parked,
    /// The file is no longer in the queue.
    Dropped,
}

/// When a file should be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStart {
    /// Before all waiting files.
    First,
    /// After all waiting files.
    Last,
    /// From this moment on, before all waiting files.
    NotBefore(Instant),
}

impl WorkQueue {
    /// Adds a file with its current identity. A waiting or active job for the file is kept.
    pub(super) fn add(&mut self, location: &Path, identity: FileIdentity, when: JobStart) {
        let Some(job) = self.jobs.get(location) else {
            let job = HashJob { identity, stage: JobStage::Ready, failures: 0, postponed: 0, parked: None };
            self.bytes = self.bytes.saturating_add(identity.size);
            self.jobs.insert(location.to_owned(), job);
            return self.schedule(location, when);
        };
        // A file that changes while it waits is being written; each change is counted.
        let is_changed = job.identity != identity;
        let (stage, failures, parked) = (job.stage, job.failures, job.parked.clone());
        let postponed = job.postponed + u32::from(is_changed);
        self.set_parked(location, None);
        if let Some(job) = self.jobs.get_mut(location) {
            self.bytes = self.bytes.saturating_sub(job.identity.size).saturating_add(identity.size);
            job.identity = identity;
            job.postponed = postponed;
        }
        match (when, stage) {
            // An active job notices a change itself, and a ready job keeps its position.
            (_, JobStage::Active) | (JobStart::Last, JobStage::Ready) => {}
            // A caller waits for the file again.
            (JobStart::First, _) => return self.schedule(location, when),
            _ if is_changed && failures < MAX_FAILURES => self.schedule(location, when),
            _ => {}
        }
        // A file that never rests must not keep those waiting who want the whole folder hashed.
        if failures >= MAX_FAILURES || postponed >= MAX_POSTPONED {
            self.set_parked(location, parked.or(Some(SkipReason::Changing)));
        // Nothing new is known about the file, so the reason for parking still holds.
        } else if !is_changed {
            self.set_parked(location, parked);
        }
    }

    /// Returns the next file to hash and marks its job active; `None` if no file is due or all slots are in use.
    pub(super) fn begin_next(&mut self, now: Instant) -> Option<(PathBuf, FileIdentity)> {
        if self.active >= MAX_ACTIVE {
            return None;
        }
        // Files whose delay is over come before all others, since somebody has waited for them longest.
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let location = entry.remove();
            if let Some(job) = self.jobs.get_mut(&location) {
                job.stage = JobStage::Ready;
                self.ready.push_front(location);
            }
        }
        // Entries of removed or rescheduled files are not searched for when they change, but skipped here.
        while let Some(location) = self.ready.pop_front() {
            if let Some(job) = self.jobs.get_mut(&location).filter(|job| job.stage == JobStage::Ready) {
                job.stage = JobStage::Active;
                self.active += 1;
                return Some((location, job.identity));
            }
        }
        None
    }

    /// Returns when the next delayed file is due; `None` while all slots are in use.
    pub(super) fn next_due(&self) -> Option<Instant> {
        // With all slots in use, the end of a job is the next event.
        let ((due, _), _) = self.delayed.first_key_value()?;
        (self.active < MAX_ACTIVE).then_some(*due)
    }

    /// Records that an active job has ended. The file stays queued until it is removed or retried.
    pub(super) fn end(&mut self) {
        self.active = self.active.saturating_sub(1);
    }

    /// Removes a file that has been hashed or no longer exists.
    pub(super) fn remove(&mut self, location: &Path) {
        self.set_parked(location, None);
        // Its entry in `ready`, if there is one, is skipped later.
        let Some(job) = self.jobs.remove(location) else { return };
        self.bytes = self.bytes.saturating_sub(job.identity.size);
        if let JobStage::Delayed(due, ticket) = job.stage {
            self.delayed.remove(&(due, ticket));
        }
    }

    /// Queues a file again after hashing it failed with `reason`; `random` adds jitter to the delay.
    pub(super) fn retry(
        &mut self,
        location: &Path,
        reason: SkipReason,
        now: Instant,
        random: u64,
    ) -> RetryOutcome {
        let Some(job) = self.jobs.get_mut(location).filter(|job| job.stage == JobStage::Active) else {
            return RetryOutcome::Dropped;
        };
        // A permission error persists until the file changes.
        let is_forbidden = reason == SkipReason::Unreadable(ErrorKind::PermissionDenied);
        job.failures += u32::from(!is_forbidden);
        if job.failures < MAX_FAILURES && !is_forbidden {
            let pause = RETRY_DELAYS.delay(job.failures - 1, random);
            self.schedule(location, JobStart::NotBefore(now + pause));
            return RetryOutcome::Soon;
        }
        // Scheduled before it is parked: a parked file still has its turn, only nobody waits for it.
        self.schedule(location, JobStart::NotBefore(now + PARKED_RETRY_DELAY));
        self.set_parked(location, Some(reason));
        RetryOutcome::Parked
    }

    /// Moves the job of a file to the queue that `when` selects.
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
                // The ticket keeps files apart that are due at the same moment.
                self.delayed.insert((due, self.next_ticket), location.to_owned());
                self.next_ticket += 1;
            }
        }
    }

    /// Parks a file, or unparks it if `reason` is `None`.
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

    /// Returns true if a file at or below the place is still to be hashed, parked ones aside.
    pub(super) fn has_pending_beneath(&self, place: &Path) -> bool {
        beneath(&self.jobs, place).any(|(_, job)| job.parked.is_none())
    }

    /// Returns the parked files at and below the place.
    pub(super) fn parked_beneath<'a>(
        &'a self,
        place: &'a Path,
    ) -> impl Iterator<Item = SkippedEntry> + use<'a> {
        let jobs = beneath(&self.jobs, place);
        jobs.filter_map(|(location, job)| {
            Some(SkippedEntry { location: location.clone(), reason: job.parked.clone()? })
        })
    }

    /// Returns true if files are parked.
    pub(super) const fn has_parked(&self) -> bool {
        self.parked > 0
    }

    /// Returns the number of files to hash, without parked ones.
    pub(super) fn files_left(&self) -> usize {
        self.jobs.len() - self.parked
    }

    /// Returns the total size of the files to hash, without parked ones.
    pub(super) fn bytes_left(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
