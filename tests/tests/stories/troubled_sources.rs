//! Sources that die, freeze or are late, and a fetcher that dies.

use std::time::Duration;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;
use tests::peer::Peer;

/// How long a download that waits may take to find a source that has come.
const WAITING: Duration = Duration::from_mins(1);

/// Waits until a download has begun.
fn wait_for_part(home: &Home, content: &Content) {
    until("a download to begin", SOON, || home.part(content).exists());
}

#[test]
fn a_source_killed_in_mid_download_is_replaced_by_the_others() {
    let mut network = Network::new();
    let content = Content::random(10, 400 * PIECE + 1);
    let mut sharers: Vec<_> = (0..3).map(|_| network.node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.node(&[]);
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    wait_for_part(&fetcher.home, &content);
    // While the fetcher is frozen nothing is finished, and the source dies with its promises unkept.
    fetcher.peer.freeze();
    sharers[0].peer.kill();
    fetcher.peer.thaw();
    let answer = fetcher.peer.answer(asked);
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    fetcher.has(&content);
}

#[test]
fn a_frozen_source_does_not_hold_the_download_up() {
    let mut network = Network::new();
    let content = Content::random(11, 100 * PIECE);
    let sharers: Vec<_> = (0..2).map(|_| network.node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.node(&[]);
    sharers[0].peer.freeze();
    let done = fetcher.fetch(&content);
    let from_other = done.givers.iter().find(|(address, _)| *address == sharers[1].peer.address());
    assert_eq!(from_other.map(|(_, bytes)| *bytes >= content.size()), Some(true), "{done:?}");
}

#[test]
fn a_source_frozen_in_mid_download_is_overtaken() {
    let mut network = Network::new();
    let content = Content::random(12, 400 * PIECE);
    let sharers: Vec<_> = (0..2).map(|_| network.node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.node(&[]);
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    wait_for_part(&fetcher.home, &content);
    sharers[1].peer.freeze();
    let answer = fetcher.peer.answer(asked);
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    fetcher.has(&content);
}

#[test]
fn a_download_goes_on_from_its_part_after_the_fetcher_was_killed() {
    let mut network = Network::new();
    let content = Content::random(13, 600 * PIECE);
    let _sharer = network.node(&[("big.iso", &content)]);
    let mut fetcher = network.node(&[]);
    fetcher.peer.begin(&format!("download {}", content.digest));
    wait_for_part(&fetcher.home, &content);
    fetcher.peer.kill();
    fetcher.peer = Peer::start(network.index.address(), fetcher.home.path());
    let done = fetcher.peer.say(&format!("download {}", content.digest));
    if done.done().is_empty() {
        assert!(done.has("already here"), "{done:#?}");
    }
    fetcher.has(&content);
}

#[test]
fn a_download_that_nobody_ever_had_says_so_and_waits() {
    let mut network = Network::new();
    let mut fetcher = network.node(&[]);
    let content = Content::random(14, 10);
    fetcher.peer.say(&format!("download {} &", content.digest));
    until("the download to wait", SOON, || fetcher.peer.say("transfers").states() == ["never seen"]);
    assert!(fetcher.home.files().is_empty());
    let _sharer = network.node(&[("late.txt", &content)]);
    until("the download to be complete", WAITING, || fetcher.peer.say("transfers").states() == ["done"]);
    fetcher.has(&content);
}

#[test]
fn a_source_that_does_not_share_the_file_any_more_is_named() {
    let mut network = Network::new();
    let content = Content::random(15, 3 * PIECE);
    let mut fetcher = network.node(&[]);
    let mute = HostilePeer::join(network.index.address(), "gone.bin", &content, Lie::NotShared);
    fetcher.peer.say(&format!("download {} &", content.digest));
    until("the download to say why it waits", SOON, || {
        let transfers = fetcher.peer.say("transfers");
        transfers.states() == ["waiting for sources"] && transfers.has("does not share the file any more")
    });
    drop(mute);
}
