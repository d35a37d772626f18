//! A simulated network of many nodes. Each runs the real swarm engine and the real choker on a simulated clock and
//! simulated links.
//!
//! Each node acts as a driver of the engine: it announces completed pieces to its neighbours, requests the blocks that
//! the engine wants, serves the peers that the choker selects in equal shares of its uplink, and rejects the requests
//! of choked peers. Links have delays, uplinks and downlinks have rates, connections break, and nodes leave and return.
//! All randomness comes from one seed, so a plan always gives the same history.

mod event_queue;
mod network;
mod node;
mod plan;
mod traffic;
mod uplink;

use std::time::Duration;

use network::SimNetwork;
pub use plan::{Churn, SimulationPlan};

/// The result of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpreadingOutcome {
    /// The time at which each peer had the complete content.
    pub finished: Vec<Option<Duration>>,
    /// Bytes sent by the source.
    pub source_sent: u64,
    /// Bytes received by the peers, including duplicates.
    pub received: u64,
    /// Number of events.
    pub events: u64,
    /// Hash of all events in order.
    pub fingerprint: u64,
}

impl SpreadingOutcome {
    /// Returns the time at which the last peer was complete, or `None` if any peer is incomplete.
    pub fn completion_time(&self) -> Option<Duration> {
        self.finished.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Returns the time at which half of the peers were complete.
    pub fn median_completion_time(&self) -> Option<Duration> {
        let mut times: Vec<_> = self.finished.iter().flatten().copied().collect();
        times.sort();
        times.get(self.finished.len() / 2).copied()
    }
}

/// Runs a plan until all peers are complete or the time limit has passed.
pub fn simulate(plan: &SimulationPlan) -> SpreadingOutcome {
    SimNetwork::new(plan.clone()).run()
}
