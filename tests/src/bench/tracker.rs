//! The tracker of a benchmark.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::interrupt;
use crate::seeder_tracker::SeederTracker;

/// A running tracker; its thread ends with the program.
#[derive(Debug)]
pub(super) struct BenchTracker(SeederTracker);

impl BenchTracker {
    /// Starts the tracker on a free loopback port.
    pub(super) fn start() -> Result<Self> {
        SeederTracker::start().map(Self)
    }

    /// Returns the announce URL for a `.torrent`.
    pub(super) fn announce_url(&self) -> String {
        self.0.announce_url()
    }

    /// Removes all seeders; the next ones are at `host`.
    pub(super) fn reset(&self, host: Ipv4Addr) {
        self.0.reset(host);
    }

    /// Waits until `count` seeders have announced themselves as complete.
    pub(super) fn wait_for_seeders(&self, count: usize, limit: Duration) -> Result<()> {
        let reached = interrupt::wait(limit, |slice| {
            thread::sleep(slice / 10);
            (self.0.seeder_count() >= count).then_some(())
        })?;
        if reached.is_none() {
            bail!("only {} of {count} seeders announced themselves to the tracker", self.0.seeder_count());
        }
        Ok(())
    }
}
