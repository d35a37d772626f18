//! Sources that offer the manifest of other bytes: the piece that decides is requested of both sides, and whoever cannot prove a
//! manifest is banned before it costs time or bytes.

use std::time::{Duration, Instant};

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;

/// How long a download may take beside forgers that is a matter of a second without them.
const WITHIN: Duration = Duration::from_secs(15);

/// How many bytes may be fetched of a content beside at most ten hostile sources.
fn allowance(content: &Content) -> u64 {
    content.size() + content.size() / 4
}

/// Forgers are heard before the only honest source speaks; the content comes whole all the same, soon, and cheaply.
fn comes_beside(lies: &[Lie]) {
    let mut network = Network::new();
    let content = Content::random(900, 64 * PIECE + 77);
    let forge = |lie: &Lie| HostilePeer::join(network.index.address(), "truth.bin", &content, *lie);
    let forgers: Vec<HostilePeer> = lies.iter().map(forge).collect();
    let honest = network.node(&[("truth.bin", &content)]);
    let mut fetcher = network.node(&[]);
    network.wait_for_sources(content.digest, lies.len() + 1, SOON);
    honest.peer.freeze();
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    until("a forgery to be believed", SOON, || forgers.iter().any(HostilePeer::was_heard));
    honest.peer.thaw();
    let thawed = Instant::now();
    let answer = fetcher.peer.answer(asked);
    let took = thawed.elapsed();
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    fetcher.has(&content);
    eprintln!("{took:?}, {} of {} bytes", done.given(), content.size());
    assert!(took < WITHIN, "{took:?}");
    assert!(done.given() <= allowance(&content), "{} bytes: {answer:#?}", done.given());
}

#[test]
fn a_forger_that_trickles_is_refuted() {
    comes_beside(&[Lie::ForgesSlowly(0)]);
}

#[test]
fn a_forger_that_lets_everybody_wait_is_refuted() {
    comes_beside(&[Lie::ForgesAndChokes(0)]);
}

#[test]
fn eight_groups_of_forgers_cost_a_piece_each() {
    let lies: Vec<Lie> = (0..8).map(Lie::Forges).collect();
    comes_beside(&lies);
}

#[test]
fn a_liar_in_the_name_of_the_true_manifest_does_not_refute_it() {
    comes_beside(&[Lie::ForgesSlowly(0), Lie::WrongBytes, Lie::NeverAnswers]);
}

#[test]
fn forgers_of_half_a_manifest_are_refuted() {
    comes_beside(&[Lie::ManifestFirstHalf, Lie::ManifestFirstHalf, Lie::ManifestStates]);
}
