//! What is simulated.

use std::time::Duration;

use protocol::geometry::Geometry;

/// How a network changes while it works.
#[derive(Debug, Clone, Copy, Default)]
pub struct Churn {
    /// How long a connection holds on average.
    pub mean_link_lifetime: Option<Duration>,
    /// How long a peer stays on average before it leaves for a while.
    pub mean_session: Option<Duration>,
}

/// A network, and the content that its one source has and all its peers want.
#[derive(Debug, Clone)]
pub struct SimulationPlan {
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
    pub source_upload_rate: u64,
    /// Each peer's uplink in bytes per second.
    pub upload_rate: u64,
    /// Each peer's downlink in bytes per second.
    pub download_rate: u64,
    /// The longest time a message takes from one node to another.
    pub max_delay: Duration,
    /// What changes.
    pub churn: Churn,
}

impl SimulationPlan {
    /// Plans for so many peers with uplinks of 1 MB/s that want a content of so many bytes.
    pub fn new(peers: u32, size: u64) -> Self {
        Self {
            seed: 1,
            geometry: Geometry::for_native(size).expect("a size that can be cut"),
            peers,
            neighbours: 50,
            slots: 4,
            source_upload_rate: 1_000_000,
            upload_rate: 1_000_000,
            download_rate: 10_000_000,
            max_delay: Duration::from_millis(100),
            churn: Churn::default(),
        }
    }

    /// Returns the shortest time in which all can have everything: the source must send each byte once, and all uplinks
    /// together must carry everything to everybody.
    pub fn fastest_completion(&self) -> Duration {
        let size = u128::from(self.geometry.size());
        let (peers, source) = (u128::from(self.peers), u128::from(self.source_upload_rate));
        let once = duration_at(size, source);
        let together = duration_at(peers * size, source + peers * u128::from(self.upload_rate));
        once.max(together).max(duration_at(size, u128::from(self.download_rate)))
    }
}

fn duration_at(bytes: u128, rate: u128) -> Duration {
    let nanos = bytes * 1_000_000_000 / rate;
    Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
}

/// Returns how long bytes take at a rate.
pub(super) fn transfer_time(bytes: u64, rate: u64) -> Duration {
    duration_at(bytes.into(), rate.into())
}
