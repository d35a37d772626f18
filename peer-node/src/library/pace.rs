use std::time::Duration;

/// How fast the library reacts; tests choose other figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long events are gathered before what they touched is looked at.
    pub(super) debounce: Duration,
    /// How long a file must lie untouched before it is hashed: coarser than any file system's clock is rough, so that a
    /// write after the hashing shows in the file's times, and long enough for most copies to be over.
    pub(super) settle: Duration,
    /// The same for files that the user names, who knows that they are finished.
    pub(super) settle_named: Duration,
    /// How often at most a new listing is published for what happens by itself.
    pub(super) publish: Duration,
    /// How often everything is looked at, in case an event was lost.
    pub(super) rescan: Duration,
    /// Up to how many bytes a file is hashed at once when its manifest turns out to be missing, while somebody waits for it.
    pub(super) hash_at_once: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            debounce: Duration::from_millis(300),
            settle: Duration::from_secs(1),
            settle_named: Duration::from_millis(50),
            publish: Duration::from_millis(250),
            rescan: Duration::from_mins(5),
            hash_at_once: 64 << 20,
        }
    }
}
