//! Mixed faults: programs are killed, frozen and restarted beside a hostile peer, in an order drawn from `STORY_SEED`.

use std::env;
use std::fs;

use tests::content::{Noise, PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{RunningNode, TestNetwork};

/// Number of consecutive faults.
const EVENT_COUNT: u64 = 6;

const SLOW_OPTIONS: [&str; 2] = ["--max-upload-rate", "6M"];

/// Waits until a node's only download has `bytes` verified bytes.
fn wait_for_bytes(node: &mut RunningNode, bytes: u64) {
    wait_until(&format!("{bytes} bytes to be verified"), DEFAULT_TIMEOUT, || {
        let transfers = node.peer.run("transfers");
        transfers.download_states() == ["done"]
            || transfers.bytes_verified().is_some_and(|verified| verified >= bytes)
    });
}

#[test]
fn download_survives_mixed_faults() {
    let seed = env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("STORY_SEED={seed}");
    let (mut network, mut noise) = (TestNetwork::new(), Noise::from_seed(seed));
    let content = TestContent::random(seed, 160 * PIECE_LENGTH);
    let mut sharers = [(); 2].map(|()| network.start_node_with(&[("film.mkv", &content)], &SLOW_OPTIONS));
    let _liar = HostilePeer::join(network.index.address(), "film.mkv", &content, Lie::WrongBytes);
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    for event in 1..=EVENT_COUNT {
        wait_for_bytes(&mut node, content.size() * event / (EVENT_COUNT + 2));
        let mut chance = [0; 2];
        noise.fill(&mut chance);
        let sharer = &mut sharers[usize::from(chance[1]) % 2];
        eprintln!("event {}", chance[0] % 4);
        match chance[0] % 4 {
            0 => network.index.restart(),
            1 => sharer.restart_with(network.index.address(), &SLOW_OPTIONS),
            2 => {
                sharer.peer.freeze();
                wait_for_bytes(&mut node, content.size() * (2 * event + 1) / (2 * EVENT_COUNT + 4));
                sharer.peer.thaw();
            }
            _ => {
                let list = node.folder.path().join(".peerdex/downloads.json");
                wait_until("the download to be listed", DEFAULT_TIMEOUT, || {
                    fs::read_to_string(&list).is_ok_and(|list| list.contains(&content.digest.to_string()))
                });
                node.restart(network.index.address());
            }
        }
    }
    for sharer in &mut sharers {
        sharer.peer.run("limit up off");
    }
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
        node.folder.visible_files().values().any(|file| file.digest == content.digest)
    });
    node.path_of(&content);
}
