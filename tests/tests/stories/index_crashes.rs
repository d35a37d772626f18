//! Kills the index, or cuts the power of its disk, at random moments while nodes register. Acknowledged changes must
//! survive, and every other change must be applied completely or not at all.

use std::time::{Duration, Instant};

use tests::environment::{RandomPauses, story_cycles};
use tests::index::IndexProcess;
use tests::index_load::{Registrant, under_load};
use tests::small_disk::SmallDisk;

/// Number of nodes that change their lists concurrently.
const NODE_COUNT: u64 = 4;

/// Maximum uptime of the index.
const MAX_UPTIME: Duration = Duration::from_millis(400);

#[test]
fn acknowledged_change_survives_kill_9() {
    let (mut moments, mut index, start) =
        (RandomPauses::from_env(501), IndexProcess::start(), Instant::now());
    let mut nodes: Vec<Registrant> = (0..NODE_COUNT).map(|seed| Registrant::new(5100 + seed)).collect();
    let (cycles, mut acknowledged) = (story_cycles(5), 0);
    for _ in 0..cycles {
        acknowledged += under_load(&mut nodes, index.address(), |_| {
            moments.pause_up_to(MAX_UPTIME);
            index.kill();
        });
        index.restart();
    }
    for node in &mut nodes {
        node.join(index.address());
    }
    eprintln!(
        "killed {cycles} times, {acknowledged} changes acknowledged, none lost, in {:?}",
        start.elapsed()
    );
    assert!(acknowledged > 0);
}

#[test]
fn acknowledged_change_survives_a_power_cut() {
    let Some(disk) = SmallDisk::mount_for_power_cuts(512 << 20) else { return };
    let (mut moments, start) = (RandomPauses::from_env(502), Instant::now());
    let data = disk.path().join("index-data");
    let mut nodes: Vec<Registrant> = (0..NODE_COUNT).map(|seed| Registrant::new(5200 + seed)).collect();
    let (cycles, mut acknowledged) = (story_cycles(3), 0);
    for _ in 0..cycles {
        let mut index = IndexProcess::start_with_data_dir(&data, "127.0.0.1:0", &[]);
        acknowledged += under_load(&mut nodes, index.address(), |wait_for_replies| {
            moments.pause_up_to(MAX_UPTIME);
            // Anything acknowledged between the cut and the end would prove nothing about the disk.
            index.freeze();
            wait_for_replies();
            disk.cut_power();
            index.kill();
        });
        disk.restore_power();
    }
    let mut index = IndexProcess::start_with_data_dir(&data, "127.0.0.1:0", &[]);
    for node in &mut nodes {
        node.join(index.address());
    }
    eprintln!("cut {cycles} times, {acknowledged} changes acknowledged, none lost, in {:?}", start.elapsed());
    assert!(acknowledged > 0);
    assert_eq!(index.stop(), Some(0));
}
