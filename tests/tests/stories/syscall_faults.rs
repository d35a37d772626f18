//! A sample of the calls at which `just syscall-faults` kills the programs or lets them fail: afterwards nothing that was
//! acknowledged is lost, nothing wrong has a final name, and a program that ends names the file.

use tests::syscalls::campaign::Campaign;

/// How many faults are tried in each scenario.
const FAULTS_PER_SCENARIO: usize = 6;

fn run_sample(scenario: &str) {
    let mut campaign = Campaign::new(scenario);
    if campaign.targets.is_empty() {
        eprintln!(
            "SKIPPED: calls of other processes cannot be watched here, so faults in them are NOT tested"
        );
    }
    campaign.run_sample(FAULTS_PER_SCENARIO);
}

#[test]
fn registering_node_survives_syscall_faults() {
    run_sample("registration");
}

#[test]
fn downloading_node_survives_syscall_faults() {
    run_sample("download");
}

#[test]
fn torrent_download_survives_syscall_faults() {
    run_sample("torrent");
}

#[test]
fn index_survives_syscall_faults() {
    run_sample("index");
}
