use tokio::time::Instant;

/// State of a tracker, for users and scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackerView {
    /// Announce URL. It may contain a secret passkey and characters that are not safe to display.
    pub url: String,
    /// State of the tracker.
    pub state: TrackerState,
    /// Number of complete peers, as reported.
    pub seeders: Option<u32>,
    /// Number of incomplete peers, as reported.
    pub leechers: Option<u32>,
    /// Time of the next announce, if known.
    pub next_announce: Option<Instant>,
}

/// State of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrackerState {
    /// Not contacted yet: others come first.
    Untried,
    /// An announce is in progress.
    Announcing,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing {
        /// The reason, escaped for display.
        reason: String,
    },
    /// This program cannot use the tracker.
    Unusable {
        /// The reason, escaped for display.
        reason: String,
    },
}
