//! The tracker of a benchmark, waited for as everything there.

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
    /// Starts on a free port of the loopback.
    pub(super) fn start() -> Result<Self> {
        SeederTracker::start().map(Self)
    }

    /// Gives the address that goes into a `.torrent`.
    pub(super) fn announce_url(&self) -> String {
        self.0.announce_url()
    }

    /// Forgets all seeders; the next ones are at `host`.
    pub(super) fn reset(&self, host: Ipv4Addr) {
        self.0.reset(host);
    }

    /// Waits until so many seeders have announced themselves as complete.
    pub(super) fn wait_for_seeders(&self, count: usize, limit: Duration) -> Result<()> {
        let come = interrupt::wait(limit, |slice| {
            thread::sleep(slice / 10);
            (self.0.seeder_count() >= count).then_some(())
        })?;
        if come.is_none() {
            bail!("only {} of {count} seeders came to the tracker", self.0.seeder_count());
        }
        Ok(())
    }
}
