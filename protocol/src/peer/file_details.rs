use bincode::{Decode, Encode};

use crate::limits::MODIFIED_SECONDS;
use crate::share_path::SharePath;

/// The metadata of a shared file that is preserved in a download.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FileDetails {
    /// Its share path.
    pub path: String,
    /// Its modification time, in seconds since 1970.
    pub seconds: i64,
    /// The nanoseconds of the modification time.
    pub nanoseconds: u32,
    /// True if its owner may execute it.
    pub executable: bool,
}

impl FileDetails {
    /// Returns true if the path is a valid share path and the time is in the accepted range.
    pub fn is_valid(&self) -> bool {
        let (earliest, latest) = MODIFIED_SECONDS;
        SharePath::parse(&self.path).is_ok()
            && (earliest..latest).contains(&self.seconds)
            && self.nanoseconds < 1_000_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_share_paths_and_sane_times_are_valid() {
        let details = |path: &str, seconds, nanoseconds| {
            FileDetails { path: path.into(), seconds, nanoseconds, executable: false }.is_valid()
        };
        assert!(details("a/b", -1, 999_999_999) && details("a", 1_700_000_000, 0));
        for (path, seconds, nanoseconds) in [
            ("../a", 0, 0),
            ("", 0, 0),
            ("a", i64::MIN, 0),
            ("a", i64::MAX, 0),
            ("a", 1 << 33, 0),
            ("a", 0, u32::MAX),
        ] {
            assert!(!details(path, seconds, nanoseconds), "{path} {seconds} {nanoseconds}");
        }
    }
}
