use std::time::Duration;

/// How fast the library reacts; tests choose other figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct LibraryTiming {
    /// How long events are gathered before what they touched is looked at.
    pub(super) debounce_time: Duration,
    /// How long a file must lie untouched before it is hashed: coarser than any file system's clock is rough, so that a
    /// write after the hashing shows in the file's times, and long enough for most copies to be over.
    pub(super) settle_time: Duration,
    /// The same for files that the user names, who knows that they are finished.
    pub(super) settle_time_requested: Duration,
    /// How often at most a new listing is published for what happens by itself.
    pub(super) publish_interval: Duration,
    /// How often everything is looked at, in case an event was lost.
    pub(super) rescan_interval: Duration,
    /// Up to how many bytes a file is hashed at once when its manifest turns out to be missing, while somebody waits for it.
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
