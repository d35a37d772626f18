//! Rate limits, set at the start and changed during a transfer.

use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;

#[test]
fn upload_limit_slows_a_download_until_it_is_lifted() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(240, 400 * PIECE_LENGTH);
    let mut sharer = network.start_empty_node(&["--max-upload-rate", "1M"]);
    sharer.folder.put("big.iso", &content);
    sharer.peer.run("register");
    network.wait_for_files(sharer.peer.address(), 1);
    assert!(sharer.peer.run("status").contains("up at most 1.0 MiB/s"));
    let mut node = network.start_node(&[]);
    let start = Instant::now();
    node.peer.run(&format!("download {} &", content.digest));
    wait_until("a part of the file to be verified", DEFAULT_TIMEOUT, || {
        let transfers = node.peer.run("transfers");
        transfers.0.iter().any(|line| line.contains("\tfetching\t") && !line.contains("\t0 B/s\t"))
    });
    let answer = sharer.peer.run("limit up off");
    assert_eq!(answer.text(), "up\toff\ndown\toff\npeer\toff\nslots\t8");
    let answer = node.peer.run(&format!("download {}", content.digest));
    assert!(answer.completed_downloads().len() == 1 || answer.contains("already here"), "{answer:#?}");
    node.path_of(&content);
    // At the first rate, the download would have taken 100 seconds.
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
}

#[test]
fn download_limit_is_kept() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(241, 16 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let mut node = network.start_empty_node(&[]);
    let limits = "up\toff\ndown\t1048576 bytes/s\npeer\toff\nslots\t8";
    assert_eq!(node.peer.run("limit down 1M").text(), limits);
    assert!(node.peer.run("limit slots 4").contains("slots\t4"));
    assert!(node.peer.run("limit peer 2M").contains("peer\t2097152 bytes/s"));
    assert!(node.peer.run("limit peer off").contains("peer\toff"));
    assert!(node.peer.run("status").contains("down at most 1.0 MiB/s"));
    let start = Instant::now();
    node.download(&content);
    // 4 MiB, of which the first may pass at once.
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(node.peer.run("limit up 0").errors().len(), 1);
}
