//! Sources that offer the manifest of other bytes. The deciding piece is requested from both sides, and a source that
//! cannot prove its manifest is banned before it costs much time or data.

use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;

/// Time limit of a download beside forgers; it takes about a second without them.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Returns the maximum number of bytes received beside at most ten hostile sources.
fn allowed_bytes(content: &TestContent) -> u64 {
    content.size() + content.size() / 4
}

/// Lets the forgers speak before the only honest source. The download must still complete, soon and without much waste.
fn assert_completes_beside(lies: &[Lie]) {
    let mut network = TestNetwork::new();
    let content = TestContent::random(900, 64 * PIECE_LENGTH + 77);
    let forge = |lie: &Lie| HostilePeer::join(network.index.address(), "truth.bin", &content, *lie);
    let forgers: Vec<HostilePeer> = lies.iter().map(forge).collect();
    let honest = network.start_node(&[("truth.bin", &content)]);
    let mut fetcher = network.start_node(&[]);
    network.wait_for_sources(content.digest, lies.len() + 1, DEFAULT_TIMEOUT);
    honest.peer.freeze();
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_until("a forgery to be served", DEFAULT_TIMEOUT, || forgers.iter().any(HostilePeer::has_lied));
    honest.peer.thaw();
    let thawed = Instant::now();
    let answer = fetcher.peer.wait_for_output(started);
    let took = thawed.elapsed();
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    fetcher.path_of(&content);
    eprintln!("{took:?}, {} of {} bytes", done.bytes_received(), content.size());
    assert!(took < DOWNLOAD_TIMEOUT, "{took:?}");
    assert!(done.bytes_received() <= allowed_bytes(&content), "{} bytes: {answer:#?}", done.bytes_received());
}

#[test]
fn slow_forger_is_refuted() {
    assert_completes_beside(&[Lie::ForgesSlowly(0)]);
}

#[test]
fn choking_forger_is_refuted() {
    assert_completes_beside(&[Lie::ForgesAndChokes(0)]);
}

#[test]
fn eight_groups_of_forgers_cost_one_piece_each() {
    let lies: Vec<Lie> = (0..8).map(Lie::Forges).collect();
    assert_completes_beside(&lies);
}

#[test]
fn liar_cannot_refute_the_true_manifest() {
    assert_completes_beside(&[Lie::ForgesSlowly(0), Lie::WrongBytes, Lie::NeverAnswers]);
}

#[test]
fn forgers_of_half_the_manifest_are_refuted() {
    assert_completes_beside(&[Lie::HalfRandomManifest, Lie::HalfRandomManifest, Lie::RandomManifest]);
}
