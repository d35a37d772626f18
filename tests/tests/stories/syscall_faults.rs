//! A sample of the calls at which `just syscall-faults` kills the programs or lets them fail: afterwards nothing that was
//! acknowledged is lost, nothing wrong has a final name, and a program that ends names the file.

use tests::syscalls::campaign::Campaign;

/// How many faults are tried in each scenario.
const FAULTS: usize = 6;

fn sample(scenario: &str) {
    let mut campaign = Campaign::new(scenario);
    if campaign.targets.is_empty() {
        eprintln!(
            "SKIPPED: calls of other processes cannot be watched here, so faults in them are NOT tested"
        );
    }
    campaign.sample(FAULTS);
}

#[test]
fn a_node_that_registers_survives_faults_of_its_calls() {
    sample("registration");
}

#[test]
fn a_node_that_downloads_survives_faults_of_its_calls() {
    sample("download");
}

#[test]
fn a_torrent_survives_faults_of_its_calls() {
    sample("torrent");
}

#[test]
fn an_index_survives_faults_of_its_calls() {
    sample("index");
}
