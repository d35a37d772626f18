use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::inventory::ScanId;
use super::shares::ShareSet;

/// Schedules scans: one at a time, and requests that arrive meanwhile are collected for the next one. Pure: the time is an
/// argument.
#[derive(Debug)]
pub(super) struct ScanScheduler {
    /// Number of the next scan.
    next_id: ScanId,
    requested: BTreeSet<PathBuf>,
    all_requested: bool,
    /// A caller waits for the next scan.
    is_urgent: bool,
    running: Option<Scan>,
    /// Scans triggered only by changes start no earlier than this.
    not_before: Instant,
    full_due: Instant,
    has_completed: bool,
}

/// A scan of some places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) id: ScanId,
    /// The places to scan.
    pub(super) places: Vec<PathBuf>,
    is_full: bool,
    started_at: Instant,
}

impl ScanScheduler {
    /// Creates a scheduler whose first scan is full and due now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_id: 1,
            requested: BTreeSet::new(),
            all_requested: true,
            is_urgent: true,
            running: None,
            not_before: now,
            full_due: now,
            has_completed: false,
        }
    }

    /// Requests a scan of places for a waiting caller; returns the number of that scan.
    pub(super) fn request(&mut self, places: impl IntoIterator<Item = PathBuf>) -> ScanId {
        self.requested.extend(places);
        self.is_urgent = true;
        self.next_id
    }

    /// Requests a full scan for a waiting caller; returns the number of that scan.
    pub(super) fn request_all(&mut self) -> ScanId {
        self.all_requested = true;
        self.is_urgent = true;
        self.next_id
    }

    /// Schedules a scan of places that have changed.
    pub(super) fn mark_changed(&mut self, places: impl IntoIterator<Item = PathBuf>, all: bool) {
        self.requested.extend(places);
        self.all_requested |= all;
    }

    /// Begins the next scan, if one is requested and due.
    pub(super) fn begin(&mut self, shares: &ShareSet, now: Instant) -> Option<Scan> {
        if self.running.is_some() {
            return None;
        }
        self.all_requested |= now >= self.full_due;
        let is_wanted = self.all_requested || !self.requested.is_empty();
        if !is_wanted || (!self.is_urgent && now < self.not_before) {
            return None;
        }
        let is_full = std::mem::take(&mut self.all_requested);
        self.is_urgent = false;
        let wanted = std::mem::take(&mut self.requested);
        let places =
            if is_full { shares.bases().map(Into::into).collect() } else { wanted.into_iter().collect() };
        let scan = Scan { id: self.next_id, places, is_full, started_at: now };
        self.next_id += 1;
        self.running = Some(scan.clone());
        Some(scan)
    }

    /// Ends the running scan. Scans triggered only by changes then pause for as long as the scan took, so that constant
    /// changes cost at most half a core.
    pub(super) fn end(&mut self, rescan: Duration, now: Instant) -> Option<Scan> {
        let scan = self.running.take()?;
        self.not_before = now + now.saturating_duration_since(scan.started_at);
        if scan.is_full {
            self.full_due = now + rescan;
            self.has_completed = true;
        }
        Some(scan)
    }

    /// Returns the number of the current or last scan.
    pub(super) fn latest_id(&self) -> ScanId {
        self.next_id - 1
    }

    /// Returns true if a full scan has completed and none is requested or running.
    pub(super) fn is_idle(&self) -> bool {
        self.has_completed && self.running.is_none() && !self.all_requested && self.requested.is_empty()
    }

    /// Returns when the next scan may begin; `None` while one runs.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let is_wanted = self.all_requested || !self.requested.is_empty();
        match (&self.running, is_wanted) {
            (Some(_), _) => None,
            (None, true) => Some(self.not_before),
            (None, false) => Some(self.full_due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESCAN: Duration = Duration::from_mins(5);

    fn shares() -> ShareSet {
        ShareSet::with_root("/s".into())
    }

    fn places(scan: Option<Scan>) -> Vec<PathBuf> {
        scan.unwrap().places
    }

    #[test]
    fn full_scan_runs_first_and_periodically() {
        let now = Instant::now();
        let mut scans = ScanScheduler::new(now);
        assert_eq!(places(scans.begin(&shares(), now)), [PathBuf::from("/s")]);
        assert!(!scans.is_idle());
        scans.end(RESCAN, now);
        assert!(scans.is_idle() && scans.begin(&shares(), now).is_none());
        assert_eq!(scans.next_due(), Some(now + RESCAN));
        assert_eq!(places(scans.begin(&shares(), now + RESCAN)), [PathBuf::from("/s")]);
    }

    #[test]
    fn changes_during_a_scan_go_to_the_next_one() {
        let now = Instant::now();
        let mut scans = ScanScheduler::new(now);
        let first = scans.begin(&shares(), now).unwrap();
        assert_eq!(scans.request(["/s/a".into()]), first.id + 1);
        scans.mark_changed(["/s/b".into()], false);
        assert_eq!(scans.begin(&shares(), now), None);
        scans.end(RESCAN, now);
        let second = scans.begin(&shares(), now).unwrap();
        assert_eq!((second.id, second.places), (first.id + 1, vec!["/s/a".into(), "/s/b".into()]));
    }

    #[test]
    fn requested_scan_bypasses_the_change_backoff() {
        let mut now = Instant::now();
        let mut scans = ScanScheduler::new(now);
        scans.begin(&shares(), now);
        now += Duration::from_secs(10);
        scans.end(RESCAN, now);
        scans.mark_changed([], true);
        assert_eq!(scans.begin(&shares(), now), None);
        assert_eq!(scans.next_due(), Some(now + Duration::from_secs(10)));
        scans.request(["/s/a".into()]);
        assert!(scans.begin(&shares(), now).is_some());
    }
}
