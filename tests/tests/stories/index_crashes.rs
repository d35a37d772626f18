//! The index is killed, or its disk loses its power, at random moments while nodes register: whatever it acknowledged
//! is there afterwards, and everything else is there whole or not at all.

use std::time::{Duration, Instant};

use tests::cycles::{Moments, cycles};
use tests::index::Index;
use tests::index_load::{Registrant, under_load};
use tests::small_disk::SmallDisk;

/// So many nodes change their lists at the same time.
const NODES: u64 = 4;

/// The index lives for so long at most.
const LIFE: Duration = Duration::from_millis(400);

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let (mut moments, mut index, begun) = (Moments::start(501), Index::start(), Instant::now());
    let mut nodes: Vec<Registrant> = (0..NODES).map(|seed| Registrant::new(5100 + seed)).collect();
    let (cycles, mut acknowledged) = (cycles(5), 0);
    for _ in 0..cycles {
        acknowledged += under_load(&mut nodes, index.address(), |_| {
            moments.pass(LIFE);
            index.kill();
        });
        index.restart();
    }
    for node in &mut nodes {
        node.join(index.address());
    }
    eprintln!(
        "killed {cycles} times, {acknowledged} changes acknowledged, none lost, in {:?}",
        begun.elapsed()
    );
    assert!(acknowledged > 0);
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let Some(disk) = SmallDisk::mount_with_power(512 << 20) else { return };
    let (mut moments, begun) = (Moments::start(502), Instant::now());
    let data = disk.path().join("index-data");
    let mut nodes: Vec<Registrant> = (0..NODES).map(|seed| Registrant::new(5200 + seed)).collect();
    let (cycles, mut acknowledged) = (cycles(3), 0);
    for _ in 0..cycles {
        let mut index = Index::start_on(&data, "127.0.0.1:0", &[]);
        acknowledged += under_load(&mut nodes, index.address(), |settled| {
            moments.pass(LIFE);
            // What would be said between the cut and the end says nothing of the disk.
            index.freeze();
            settled();
            disk.cut_power();
            index.kill();
        });
        disk.restore_power();
    }
    let mut index = Index::start_on(&data, "127.0.0.1:0", &[]);
    for node in &mut nodes {
        node.join(index.address());
    }
    eprintln!("cut {cycles} times, {acknowledged} changes acknowledged, none lost, in {:?}", begun.elapsed());
    assert!(acknowledged > 0);
    assert_eq!(index.stop(), Some(0));
}
