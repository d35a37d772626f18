use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use protocol::units::{DisplayDuration, DisplaySize};

use super::Finding;
use crate::platform;

/// Plausible times of a clock that is set: the beginnings of 2025 and 2100, in seconds since 1970.
const PLAUSIBLE_TIMES: (u64, u64) = (1_735_689_600, 4_102_444_800);

/// Free space below this many bytes is low.
const LOW_SPACE: u64 = 1 << 30;

/// A busy node runs out of fewer descriptors.
const MIN_DESCRIPTORS: u64 = 1024;

/// Maximum acceptable difference between two clocks in seconds.
const MAX_CLOCK_SKEW: u64 = 60;

/// Checks the clock. `index_ahead` is how many seconds the clock of the index is ahead, if known.
pub(super) fn clock(now: SystemTime, index_ahead: Option<i64>) -> Finding {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seen =
        Timestamp::try_from(now).map_or_else(|_| "out of range".to_owned(), |time| format!("{time:.0}"));
    if let Some(ahead) = index_ahead.filter(|ahead| ahead.unsigned_abs() > MAX_CLOCK_SKEW) {
        let difference = DisplayDuration(Duration::from_secs(ahead.unsigned_abs()));
        let side = if ahead > 0 { "behind" } else { "ahead of" };
        let remedy = "set the clock of this machine or of the index, e.g. with NTP; times in lists and logs are wrong, transfers are not affected";
        return Finding::warning(
            "clock",
            format!("{seen}: {difference} {side} the clock of the index"),
            remedy,
        );
    }
    if (PLAUSIBLE_TIMES.0..PLAUSIBLE_TIMES.1).contains(&since.as_secs()) {
        return Finding::ok("clock", seen);
    }
    Finding::warning(
        "clock",
        seen,
        "set the machine's clock; times in lists and logs are wrong, transfers are not affected",
    )
}

/// Checks the free space of the node's folder.
pub(super) fn free_space(folder: &Path) -> Finding {
    match platform::free_space(folder) {
        Ok(free) if free >= LOW_SPACE => Finding::ok("free space", DisplaySize(free).to_string()),
        Ok(free) => Finding::warning(
            "free space",
            DisplaySize(free).to_string(),
            "downloads pause until there is enough space: free some, or download to another folder with download … as PATH",
        ),
        Err(error) => {
            Finding::problem("free space", error.to_string(), "check that the folder exists and is readable")
        }
    }
}

/// Checks the limit of open files and connections.
pub(super) fn descriptors() -> Finding {
    match platform::descriptor_limit() {
        Some(limit) if limit < MIN_DESCRIPTORS => Finding::warning(
            "open files",
            format!("at most {limit}"),
            "raise the limit with ulimit -n, or lower --max-connections",
        ),
        Some(limit) => Finding::ok("open files", format!("at most {limit}")),
        None => Finding::ok("open files", "no limit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn implausible_clock_is_a_warning() {
        let at = |seconds: u64| clock(UNIX_EPOCH + Duration::from_secs(seconds), None).severity;
        assert_eq!(
            (at(0), at(PLAUSIBLE_TIMES.0 + 1), at(PLAUSIBLE_TIMES.1)),
            (Severity::Warning, Severity::Ok, Severity::Warning)
        );
    }

    #[test]
    fn clock_skew_from_the_index_is_a_warning() {
        let found = |ahead| clock(SystemTime::now(), Some(ahead));
        for near in [0, 60, -60] {
            assert_eq!(found(near).severity, Severity::Ok);
        }
        assert!(found(61).detail.ends_with("behind the clock of the index"), "{:?}", found(61));
        assert!(found(-4000).detail.ends_with("ahead of the clock of the index"));
        assert!(found(i64::MIN).severity == Severity::Warning);
    }

    #[test]
    fn free_space_of_an_existing_folder_is_no_problem() {
        let home = tempfile::tempdir().unwrap();
        assert_ne!(free_space(home.path()).severity, Severity::Problem);
    }
}
