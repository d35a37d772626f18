use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use protocol::units::{Size, Span};
use rustix::process::{Resource, getrlimit};

use super::Finding;

/// The years in which a clock that is set is: seconds since 1970 of the beginnings of 2025 and 2100.
const YEARS: (u64, u64) = (1_735_689_600, 4_102_444_800);

/// Less room than this is little, in bytes.
const LITTLE: u64 = 1 << 30;

/// With fewer descriptors than this, a busy node runs out of them.
const FEW: u64 = 1024;

/// More seconds than this between two clocks are too many.
const FAR: u64 = 60;

/// Judges the clock, beside that of the index if that is known to be so many seconds ahead.
pub(super) fn clock(now: SystemTime, index_ahead: Option<i64>) -> Finding {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seen = Timestamp::try_from(now)
        .map_or_else(|_| "beyond all calendars".to_owned(), |time| format!("{time:.0}"));
    if let Some(ahead) = index_ahead.filter(|ahead| ahead.unsigned_abs() > FAR) {
        let difference = Span(Duration::from_secs(ahead.unsigned_abs()));
        let side = if ahead > 0 { "behind" } else { "ahead of" };
        let remedy = "set the clock, here or at the index, e.g. with NTP: times in lists and logs are wrong, transfers are not";
        return Finding::doubtful(
            "clock",
            format!("{seen}: {difference} {side} the clock of the index"),
            remedy,
        );
    }
    if (YEARS.0..YEARS.1).contains(&since.as_secs()) {
        return Finding::well("clock", seen);
    }
    Finding::doubtful(
        "clock",
        seen,
        "set the machine's clock: times in lists and logs are wrong, transfers are not",
    )
}

/// Judges the free space of the node's folder.
pub(super) fn room(folder: &Path) -> Finding {
    match crate::download::free_room(folder) {
        Ok(free) if free >= LITTLE => Finding::well("free space", Size(free).to_string()),
        Ok(free) => Finding::doubtful(
            "free space",
            Size(free).to_string(),
            "downloads wait until there is room: free some, or fetch elsewhere with download … as PATH",
        ),
        Err(error) => {
            Finding::ill("free space", error.to_string(), "check that the folder is there and may be read")
        }
    }
}

/// Judges how many files and connections may be open.
pub(super) fn descriptors() -> Finding {
    let limit = getrlimit(Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FEW => Finding::doubtful(
            "open files",
            format!("at most {limit}"),
            "raise it with ulimit -n, or lower --max-connections",
        ),
        Some(limit) => Finding::well("open files", format!("at most {limit}")),
        None => Finding::well("open files", "no limit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        let at = |seconds: u64| clock(UNIX_EPOCH + Duration::from_secs(seconds), None).verdict;
        assert_eq!(
            (at(0), at(YEARS.0 + 1), at(YEARS.1)),
            (Verdict::Doubtful, Verdict::Well, Verdict::Doubtful)
        );
    }

    #[test]
    fn a_clock_far_from_that_of_the_index_is_told() {
        let found = |ahead| clock(SystemTime::now(), Some(ahead));
        for near in [0, 60, -60] {
            assert_eq!(found(near).verdict, Verdict::Well);
        }
        assert!(found(61).seen.ends_with("behind the clock of the index"), "{:?}", found(61));
        assert!(found(-4000).seen.ends_with("ahead of the clock of the index"));
        assert!(found(i64::MIN).verdict == Verdict::Doubtful);
    }

    #[test]
    fn a_folder_that_is_gone_is_told() {
        let home = tempfile::tempdir().unwrap();
        assert_ne!(room(home.path()).verdict, Verdict::Ill);
    }
}
