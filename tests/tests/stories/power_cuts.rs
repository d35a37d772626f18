//! The disk of a node loses power during a download: after the next start the download resumes automatically.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::environment::{RandomPauses, story_cycles};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;
use tests::peer::{PeerProcess, peer_node};
use tests::small_disk::SmallDisk;

/// Maximum time until the next power cut.
const MAX_UPTIME: Duration = Duration::from_millis(900);

/// Returns the visible names in a folder.
fn visible_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn download_survives_power_cuts_at_any_moment() {
    let Some(disk) = SmallDisk::mount_for_power_cuts(512 << 20) else { return };
    let (mut moments, mut network, begun) = (RandomPauses::from_env(503), TestNetwork::new(), Instant::now());
    let content = TestContent::random(230, 256 * PIECE_LENGTH + 77);
    let mut sharer = network.start_node_with(&[("big.iso", &content)], &["--max-upload-rate", "16M"]);
    let share_dir = disk.path().join("node");
    let start = || PeerProcess::launch(peer_node(0, network.index.address(), &share_dir));
    let mut peer = start();
    assert!(peer.run(&format!("download {} &", content.digest)).errors().is_empty());
    let list = share_dir.join(".peerdex/downloads.json");
    wait_until("the download to be listed", DEFAULT_TIMEOUT, || {
        fs::read_to_string(&list).is_ok_and(|list| list.contains(&content.digest.to_string()))
    });
    let partial = share_dir.join(".peerdex/partial");
    let cycles = story_cycles(3);
    for _ in 0..cycles {
        moments.pause_up_to(MAX_UPTIME);
        peer.freeze();
        disk.cut_power();
        peer.kill();
        disk.restore_power();
        let names = visible_names(&partial);
        let (records, parts): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.contains(".json"));
        assert!(parts.len() <= 1, "{names:?}");
        for record in records {
            let record = fs::read_to_string(partial.join(record)).expect("a readable record");
            assert!(record.contains(&content.digest.to_string()), "{record:?}");
        }
        peer = start();
    }
    let path = share_dir.join("big.iso");
    wait_until("the download to complete", DEFAULT_TIMEOUT, || path.is_file());
    let actual = TestContent::from_bytes(fs::read(&path).expect("a readable file"));
    assert_eq!(actual.digest, content.digest);
    wait_until("no partial file to remain", DEFAULT_TIMEOUT, || visible_names(&partial).is_empty());
    assert_eq!(visible_names(&share_dir), ["big.iso"]);
    let (sent, took) = (sharer.bytes_sent(), begun.elapsed());
    eprintln!("cut {cycles} times, {sent} bytes sent for {} in {took:?}", content.size());
    assert_eq!(peer.stop(), Some(0));
}
