//! Everything at once: programs that are killed, frozen and started again beside a liar, by a seed that `STORY_SEED` sets.

use std::env;
use std::fs;

use tests::content::{Content, Noise, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{Network, Node};

/// What happens, one thing after the other.
const EVENTS: u64 = 6;

const SLOW: [&str; 2] = ["--max-upload-rate", "6M"];

/// Waits until so many bytes of a node's only download are here.
fn wait_for_bytes(node: &mut Node, bytes: u64) {
    until(&format!("{bytes} bytes to be here"), SOON, || {
        let transfers = node.peer.say("transfers");
        transfers.states() == ["done"] || transfers.bytes_here().is_some_and(|here| here >= bytes)
    });
}

#[test]
fn a_download_outlives_everything_at_once() {
    let seed = env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("STORY_SEED={seed}");
    let (mut network, mut noise) = (Network::new(), Noise::from_seed(seed));
    let content = Content::random(seed, 160 * PIECE);
    let mut sharers = [(); 2].map(|()| network.sharer(&[("film.mkv", &content)], &SLOW));
    let _liar = HostilePeer::join(network.index.address(), "film.mkv", &content, Lie::WrongBytes);
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    for event in 1..=EVENTS {
        wait_for_bytes(&mut node, content.size() * event / (EVENTS + 2));
        let mut chance = [0; 2];
        noise.fill(&mut chance);
        let sharer = &mut sharers[usize::from(chance[1]) % 2];
        eprintln!("event {}", chance[0] % 4);
        match chance[0] % 4 {
            0 => network.index.restart(),
            1 => sharer.start_again_with(network.index.address(), &SLOW),
            2 => {
                sharer.peer.freeze();
                wait_for_bytes(&mut node, content.size() * (2 * event + 1) / (2 * EVENTS + 4));
                sharer.peer.thaw();
            }
            _ => {
                let list = node.home.path().join(".peerdex/downloads.json");
                until("the download to be listed", SOON, || {
                    fs::read_to_string(&list).is_ok_and(|list| list.contains(&content.digest.to_string()))
                });
                node.start_again(network.index.address());
            }
        }
    }
    for sharer in &mut sharers {
        sharer.peer.say("limit up off");
    }
    until("the download to be complete", SOON, || {
        node.home.files().values().any(|file| file.digest == content.digest)
    });
    node.has(&content);
}
