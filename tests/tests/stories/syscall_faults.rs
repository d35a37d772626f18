//! A sample of `just syscall-faults`, which kills the programs at system calls or makes these calls fail. Afterwards
//! nothing acknowledged is lost, nothing wrong has a final name, and a program that ends names the file.

use tests::syscalls::campaign::Campaign;

/// Number of faults injected per scenario.
const FAULTS_PER_SCENARIO: usize = 6;

fn run_sample(scenario: &str) {
    let mut campaign = Campaign::new(scenario);
    if campaign.targets.is_empty() {
        eprintln!("SKIPPED: this process may not trace system calls, so faults in them are NOT tested");
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
