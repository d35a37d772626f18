//! A simulated network: many nodes, each with the real engine and the real choker, on a clock and links of its own.
//!
//! Each node does what a driver of the engine does: it tells its neighbours of every piece it completes, asks for what
//! the engine wants, serves those whom the choker serves in even shares of its uplink, and rejects what a choked peer
//! asked for. Links have delays, uplinks and downlinks have rates, connections break and nodes leave and return. All
//! chance comes from one seed, so that one plan gives one history.

mod event_queue;
mod network;
mod node;
mod plan;
mod traffic;
mod uplink;

use std::time::Duration;

use network::SimNetwork;
pub use plan::{Churn, SimulationPlan};

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpreadingOutcome {
    /// When each peer had everything.
    pub finished: Vec<Option<Duration>>,
    /// How many bytes the source sent.
    pub source_sent: u64,
    /// How many bytes the peers received, wanted or not.
    pub received: u64,
    /// How many events there were.
    pub events: u64,
    /// A fingerprint of all that happened, in order.
    pub fingerprint: u64,
}

impl SpreadingOutcome {
    /// Returns when the last peer had everything, if all had it.
    pub fn completion_time(&self) -> Option<Duration> {
        self.finished.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Returns when half of the peers had everything.
    pub fn median_completion_time(&self) -> Option<Duration> {
        let mut times: Vec<_> = self.finished.iter().flatten().copied().collect();
        times.sort();
        times.get(self.finished.len() / 2).copied()
    }
}

/// Plays a plan until all have everything, or much more time has passed than that should take.
pub fn simulate(plan: &SimulationPlan) -> SpreadingOutcome {
    SimNetwork::new(plan.clone()).run()
}
