use tokio::time::Instant;

/// How a tracker stands, for people and scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerView {
    /// Its URL, as the torrent has it. May hold a person's secret key, and characters not fit for a screen.
    pub url: String,
    /// How it stands.
    pub state: TrackerState,
    /// How many peers have the whole content, as it said.
    pub seeders: Option<u32>,
    /// How many peers do not have it yet, as it said.
    pub leechers: Option<u32>,
    /// When it is asked next, if that is settled.
    pub next_announce: Option<Instant>,
}

/// How a tracker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerState {
    /// It was not asked yet: others come before it.
    Untried,
    /// It is being asked.
    Announcing,
    /// It answered when it was last asked.
    Working,
    /// It refused or did not answer when it was last asked.
    Failing {
        /// Why, fit for a screen.
        reason: String,
    },
    /// It cannot be asked by this program.
    Unusable {
        /// Why, fit for a screen.
        reason: String,
    },
}
