use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::address_group::address_group;
use protocol::digest::Digest;

/// Number of address groups that must report wrong bytes before a file is hashed again; a single one may lie.
const MIN_REPORTERS: usize = 3;

/// Lifetime of a report, and minimum time between two checks of the same file.
const REPORT_LIFETIME: Duration = Duration::from_hours(24);

/// Maximum number of contents with reports. Beyond it, the content with the oldest report is dropped, unless its file was
/// hashed within [`REPORT_LIFETIME`]; thus reporting many contents cannot cause extra hashing.
const MAX_CONTENTS: usize = 1000;

/// The reports of wrong bytes. Decides when to hash a file again. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct WrongPieceReports {
    contents: HashMap<Digest, ReportedContent>,
}

/// The reports of one content.
#[derive(Debug)]
struct ReportedContent {
    /// Reporting address groups, each with the time of its last report.
    reporters: Vec<(IpAddr, Instant)>,
    /// Time at which the file was last hashed because of reports.
    hashed_at: Option<Instant>,
    latest_at: Instant,
}

impl WrongPieceReports {
    /// Records a report. Returns true if the file should be hashed again now.
    pub(super) fn report(&mut self, digest: Digest, from: IpAddr, now: Instant) -> bool {
        if !self.make_room(digest, now) {
            return false;
        }
        let reported = self.contents.entry(digest).or_insert(ReportedContent {
            reporters: Vec::new(),
            hashed_at: None,
            latest_at: now,
        });
        reported.latest_at = now;
        let is_recent = |then| is_recent(then, now);
        if reported.hashed_at.is_some_and(is_recent) {
            return false;
        }
        let from = address_group(from);
        reported.reporters.retain(|(address, then)| *address != from && is_recent(*then));
        reported.reporters.push((from, now));
        let is_enough = reported.reporters.len() >= MIN_REPORTERS;
        if is_enough {
            reported.reporters.clear();
            reported.hashed_at = Some(now);
        }
        is_enough
    }

    /// Makes room for reports of a content. Returns false if there is none.
    fn make_room(&mut self, digest: Digest, now: Instant) -> bool {
        if self.contents.len() < MAX_CONTENTS || self.contents.contains_key(&digest) {
            return true;
        }
        let is_dispensable =
            |reported: &ReportedContent| !reported.hashed_at.is_some_and(|hashed| is_recent(hashed, now));
        let dispensable = self.contents.iter().filter(|(_, reported)| is_dispensable(reported));
        let oldest = dispensable.min_by_key(|(_, reported)| reported.latest_at).map(|(digest, _)| *digest);
        oldest.is_some_and(|oldest| self.contents.remove(&oldest).is_some())
    }
}

fn is_recent(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < REPORT_LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = Digest::from_bytes([1; 32]);
    const B: Digest = Digest::from_bytes([2; 32]);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn three_reporters_have_a_file_hashed_once_a_day() {
        let (mut reports, start) = (WrongPieceReports::default(), Instant::now());
        let mut report =
            |digest, from: &str, hours| reports.report(digest, ip(from), start + Duration::from_hours(hours));
        assert!(!report(A, "10.0.0.1", 0) && !report(A, "10.0.0.2", 1));
        assert!(!report(A, "10.0.0.2", 1) && !report(B, "10.0.0.3", 1));
        assert!(report(A, "10.0.0.3", 2));
        for number in 4..10 {
            assert!(!report(A, &format!("10.0.0.{number}"), 3));
        }
        assert!(!report(A, "10.0.0.1", 27) && !report(A, "10.0.0.2", 27) && report(A, "10.0.0.3", 27));
    }

    #[test]
    fn old_reports_and_one_network_do_not_add_up() {
        let (mut reports, start) = (WrongPieceReports::default(), Instant::now());
        let mut report = |from: &str, hours| reports.report(A, ip(from), start + Duration::from_hours(hours));
        assert!(!report("10.0.0.1", 0) && !report("10.0.0.2", 0) && !report("10.0.0.3", 25));
        assert!(!report("2001:db8::1", 25) && !report("2001:db8::2", 25) && !report("2001:db8::3", 25));
        assert!(report("::ffff:10.0.0.4", 25));
    }

    fn numbered(number: usize) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Digest::from_bytes(bytes)
    }

    #[test]
    fn the_number_of_contents_is_bounded() {
        let (mut reports, start) = (WrongPieceReports::default(), Instant::now());
        for number in 0..2 * MAX_CONTENTS {
            let now = start + Duration::from_secs(number as u64);
            reports.report(numbered(number), ip("10.0.0.1"), now);
        }
        assert_eq!(reports.contents.len(), MAX_CONTENTS);
    }

    #[test]
    fn a_file_that_was_hashed_is_not_forgotten_within_a_day() {
        let (mut reports, start) = (WrongPieceReports::default(), Instant::now());
        let mut report = |number, now| {
            let from = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(ip);
            from.map(|from| reports.report(numbered(number), from, now))[2]
        };
        assert!((0..MAX_CONTENTS).all(|number| report(number, start)));
        let later = start + Duration::from_hours(1);
        assert!(!report(MAX_CONTENTS, later), "the table is full");
        assert!((0..MAX_CONTENTS).all(|number| !report(number, later)));
        assert!(report(MAX_CONTENTS, start + REPORT_LIFETIME));
    }
}
