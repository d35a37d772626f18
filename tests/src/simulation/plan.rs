//! What is simulated.

use std::time::Duration;

use protocol::geometry::Geometry;

/// How a network changes while it works.
#[derive(Debug, Clone, Copy, Default)]
pub struct Churn {
    /// How long a connection holds on average.
    pub link_life: Option<Duration>,
    /// How long a peer stays on average before it leaves for a while.
    pub stay: Option<Duration>,
}

/// A network, and the content that its one source has and all its peers want.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all chance starts.
    pub seed: u64,
    /// How the content is cut.
    pub geometry: Geometry,
    /// How many peers want it.
    pub peers: u32,
    /// How many others each knows, about.
    pub neighbours: u32,
    /// How many regular upload slots each has.
    pub slots: usize,
    /// The source's uplink in bytes per second.
    pub source_up: u64,
    /// Each peer's uplink in bytes per second.
    pub up: u64,
    /// Each peer's downlink in bytes per second.
    pub down: u64,
    /// The longest time a message takes from one node to another.
    pub delay: Duration,
    /// What changes.
    pub churn: Churn,
}

impl Plan {
    /// Plans for so many peers with uplinks of 1 MB/s that want a content of so many bytes.
    pub fn new(peers: u32, size: u64) -> Self {
        Self {
            seed: 1,
            geometry: Geometry::native(size).expect("a size that can be cut"),
            peers,
            neighbours: 50,
            slots: 4,
            source_up: 1_000_000,
            up: 1_000_000,
            down: 10_000_000,
            delay: Duration::from_millis(100),
            churn: Churn::default(),
        }
    }

    /// Returns the shortest time in which all can have everything: the source must send each byte once, and all uplinks
    /// together must carry everything to everybody.
    pub fn bound(&self) -> Duration {
        let size = u128::from(self.geometry.size());
        let (peers, source) = (u128::from(self.peers), u128::from(self.source_up));
        let once = seconds(size, source);
        let together = seconds(peers * size, source + peers * u128::from(self.up));
        once.max(together).max(seconds(size, u128::from(self.down)))
    }
}

fn seconds(bytes: u128, rate: u128) -> Duration {
    let nanos = bytes * 1_000_000_000 / rate;
    Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
}

/// Returns how long bytes take at a rate.
pub(super) fn time_for(bytes: u64, rate: u64) -> Duration {
    seconds(bytes.into(), rate.into())
}
