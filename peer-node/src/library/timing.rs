use std::time::Duration;

/// Delays and intervals of the library; tests use other values.
#[derive(Debug, Clone, Copy)]
pub(super) struct LibraryTiming {
    /// How long events are collected before their places are scanned.
    pub(super) debounce_time: Duration,
    /// How long a file must be unchanged before it is hashed. Longer than the timestamp granularity of any file system, so that
    /// a write after hashing changes the timestamps, and long enough for most copies to finish.
    pub(super) settle_time: Duration,
    /// The same for files that the user names, which are known to be complete.
    pub(super) settle_time_requested: Duration,
    /// Minimum interval between listings that no caller waits for.
    pub(super) publish_interval: Duration,
    /// Interval between full scans, in case an event was lost.
    pub(super) rescan_interval: Duration,
    /// Maximum size in bytes of a file that is hashed immediately for a waiting requester because its manifest is missing.
    pub(super) max_inline_hash: u64,
}

impl Default for LibraryTiming {
    fn default() -> Self {
        Self {
            debounce_time: Duration::from_millis(300),
            settle_time: Duration::from_secs(1),
            settle_time_requested: Duration::from_millis(50),
            publish_interval: Duration::from_millis(250),
            rescan_interval: Duration::from_mins(5),
            max_inline_hash: 64 << 20,
        }
    }
}
