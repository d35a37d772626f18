//! The parameters of a simulation.

use std::time::Duration;

use protocol::geometry::Geometry;

/// The changes of a network during a simulation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Churn {
    /// Average lifetime of a connection.
    pub mean_link_lifetime: Option<Duration>,
    /// Average time that a peer stays before it goes offline for a while.
    pub mean_session: Option<Duration>,
}

/// A network with one source and the content that all its peers want.
#[derive(Debug, Clone)]
pub struct SimulationPlan {
    /// Seed of all randomness.
    pub seed: u64,
    /// The division of the content into pieces and blocks.
    pub geometry: Geometry,
    /// Number of peers.
    pub peers: u32,
    /// Approximate number of neighbours of each peer.
    pub neighbours: u32,
    /// Number of regular upload slots of each peer.
    pub slots: usize,
    /// The source's uplink in bytes per second.
    pub source_upload_rate: u64,
    /// Each peer's uplink in bytes per second.
    pub upload_rate: u64,
    /// Each peer's downlink in bytes per second.
    pub download_rate: u64,
    /// Maximum delay of a message between two nodes.
    pub max_delay: Duration,
    /// Connection losses and departures, if any.
    pub churn: Churn,
}

impl SimulationPlan {
    /// Creates a plan for `peers` peers with uplinks of 1 MB/s and content of `size` bytes.
    pub fn new(peers: u32, size: u64) -> Self {
        Self {
            seed: 1,
            geometry: Geometry::for_native(size).expect("a valid size"),
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

    /// Returns the shortest time in which all peers can complete: the source must send each byte once, and all uplinks
    /// together must carry the content to every peer.
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

/// Returns the transfer time of `bytes` at a rate in bytes per second.
pub(super) fn transfer_time(bytes: u64, rate: u64) -> Duration {
    duration_at(bytes.into(), rate.into())
}
