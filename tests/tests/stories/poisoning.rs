//! Sources that give wrong bytes or a forged manifest: they cost little, and only they are left.

use std::fs;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;

const MIB: u64 = 1 << 20;

#[test]
fn of_four_sources_one_of_which_lies_in_every_piece_only_the_liar_is_left_and_little_is_fetched_twice() {
    let mut network = Network::new();
    let content = Content::random(400, 512 * PIECE + 1);
    let honest: Vec<_> = (0..3).map(|_| network.node(&[("truth.bin", &content)])).collect();
    let liar = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::WrongBytes);
    let mut fetcher = network.node(&[]);
    network.wait_for_sources(content.digest, 4, SOON);
    // The liar is heard before there is nothing left to ask for.
    for node in &honest {
        node.peer.freeze();
    }
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    until("the lie to be heard", SOON, || liar.was_heard());
    for node in &honest {
        node.peer.thaw();
    }
    let answer = fetcher.peer.answer(asked);
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    fetcher.has(&content);
    eprintln!(
        "{} bytes too many, the liar was asked for {} blocks",
        done.given() - content.size(),
        liar.asked()
    );
    assert!(done.given() <= content.size() + content.size() / 50, "{answer:#?}");
    // What is under way when the second piece fails is not received.
    assert!(liar.asked() <= 32, "{} blocks", liar.asked());
    assert_eq!(done.left, [(liar.address(), "it sent wrong bytes".to_owned())], "{answer:#?}");
    assert!(honest.iter().all(|node| done.given_by(node.peer.address()) > 0), "{answer:#?}");
}

#[test]
fn bytes_that_are_here_outlast_a_manifest_that_most_sources_have_forged() {
    let mut network = Network::new();
    let content = Content::random(401, 128 * PIECE);
    let half = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::FirstHalf);
    let mut fetcher = network.node(&[]);
    fetcher.peer.say(&format!("download {} &", content.digest));
    until("half of it to be here", SOON, || fetcher.peer.say("transfers").has("64/128 pieces"));
    assert_eq!(fetcher.peer.stop(), Some(0));
    drop(half);
    // Their bytes are right; by their manifest the half that is here is wrong.
    let forge = |_| HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::ManifestFirstHalf);
    let forgers: Vec<HostilePeer> = (0..3).map(forge).collect();
    let mut honest = network.node(&[("truth.bin", &content)]);
    network.wait_for_sources(content.digest, 4, SOON);
    honest.peer.freeze();
    fetcher.start_again(network.index.address());
    until("the forgery to be believed", SOON, || forgers.iter().any(HostilePeer::was_heard));
    honest.peer.thaw();
    until("the download to be complete", SOON, || {
        fs::read(fetcher.home.path().join("truth.bin")).is_ok_and(|bytes| bytes == content.bytes)
    });
    let forged: u64 = forgers.iter().map(|forger| forger.asked() as u64 * PIECE as u64).sum();
    let (given, missing) = (honest.sent(), content.size() / 2);
    eprintln!(
        "{missing} bytes were missing; the honest source gave {given}, the forgers were asked for {forged}"
    );
    assert!(given <= missing + MIB / 2, "{given} bytes fetched for {missing}");
    assert!(forged <= missing + 32 * MIB, "{forged} bytes asked of the forgers");
}
