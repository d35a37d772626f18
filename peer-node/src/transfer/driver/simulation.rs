//! Whole transfers on a simulated clock: sources lie, stall, choke, leave and return; writes fail; programs stop, crash and
//! start again from the record. The same seed gives the same run.

mod disk;
mod network;
mod run;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use run::simulate;

/// The number of seconds for which [`any_transfer_completes_for_an_hour`] runs.
const SECONDS_VARIABLE: &str = "SIMULATION_SECONDS";

/// Runs one seed and names it if it fails.
fn check(seed: u64) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
        eprintln!("the simulation failed with seed {seed}");
        resume_unwind(panic);
    }
}

#[test]
fn any_transfer_completes_while_an_honest_source_stays() {
    (0..300).for_each(check);
}

#[test]
#[ignore = "runs for an hour, or as long as SIMULATION_SECONDS says: `just simulate`"]
fn any_transfer_completes_for_an_hour() {
    let seconds =
        std::env::var(SECONDS_VARIABLE).map_or(3600, |text| text.parse().expect("a number of seconds"));
    let (started, first) = (Instant::now(), getrandom::u64().unwrap_or(0));
    let mut runs = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        check(first.wrapping_add(runs));
        runs += 1;
    }
    println!("{runs} transfers simulated, from seed {first}");
}
