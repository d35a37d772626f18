//! The disk of a node loses its power while it downloads: after the next start the download goes on by itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::content::{Content, PIECE};
use tests::cycles::{Moments, cycles};
use tests::eventually::{SOON, until};
use tests::network::Network;
use tests::peer::{Peer, peer_node};
use tests::small_disk::SmallDisk;

/// The power stays for so long at most.
const LIFE: Duration = Duration::from_millis(900);

/// Lists the names in a folder that are not hidden.
fn visible(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn a_download_survives_power_cuts_at_any_moment() {
    let Some(disk) = SmallDisk::mount_with_power(512 << 20) else { return };
    let (mut moments, mut network, begun) = (Moments::start(503), Network::new(), Instant::now());
    let content = Content::random(230, 256 * PIECE + 77);
    let mut sharer = network.sharer(&[("big.iso", &content)], &["--max-upload-rate", "16M"]);
    let home = disk.path().join("node");
    let start = || Peer::launch(peer_node(0, network.index.address(), &home));
    let mut peer = start();
    assert!(peer.say(&format!("download {} &", content.digest)).errors().is_empty());
    let list = home.join(".peerdex/downloads.json");
    until("the download to be listed", SOON, || {
        fs::read_to_string(&list).is_ok_and(|list| list.contains(&content.digest.to_string()))
    });
    let partial = home.join(".peerdex/partial");
    let cycles = cycles(3);
    for _ in 0..cycles {
        moments.pass(LIFE);
        peer.freeze();
        disk.cut_power();
        peer.kill();
        disk.restore_power();
        let names = visible(&partial);
        let (records, parts): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.contains(".json"));
        assert!(parts.len() <= 1, "{names:?}");
        for record in records {
            let record = fs::read_to_string(partial.join(record)).expect("a readable record");
            assert!(record.contains(&content.digest.to_string()), "{record:?}");
        }
        peer = start();
    }
    let path = home.join("big.iso");
    until("the download to be complete", SOON, || path.is_file());
    let here = Content::of(fs::read(&path).expect("a readable file"));
    assert_eq!(here.digest, content.digest);
    until("nothing else to be there", SOON, || visible(&partial).is_empty());
    assert_eq!(visible(&home), ["big.iso"]);
    let (sent, took) = (sharer.sent(), begun.elapsed());
    eprintln!("cut {cycles} times, {sent} bytes sent for {} in {took:?}", content.size());
    assert_eq!(peer.stop(), Some(0));
}
