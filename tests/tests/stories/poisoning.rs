//! Sources that send wrong bytes or a forged manifest: they cost little, and only they are disconnected.

use std::fs;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;

const MIB: u64 = 1 << 20;

#[test]
fn liar_among_four_sources_is_banned() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(400, 512 * PIECE_LENGTH + 1);
    let honest: Vec<_> = (0..3).map(|_| network.start_node(&[("truth.bin", &content)])).collect();
    let liar = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::WrongBytes);
    let mut fetcher = network.start_node(&[]);
    network.wait_for_sources(content.digest, 4, DEFAULT_TIMEOUT);
    // The hostile peer must be asked before nothing is left to request.
    for node in &honest {
        node.peer.freeze();
    }
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_until("the lie to be sent", DEFAULT_TIMEOUT, || liar.has_lied());
    for node in &honest {
        node.peer.thaw();
    }
    let answer = fetcher.peer.wait_for_output(started);
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    fetcher.path_of(&content);
    eprintln!(
        "{} bytes in excess, {} blocks requested from the liar",
        done.bytes_received() - content.size(),
        liar.requests_received()
    );
    assert!(done.bytes_received() <= content.size() + content.size() / 50, "{answer:#?}");
    // Requests in flight when the second piece fails are not received.
    assert!(liar.requests_received() <= 32, "{} blocks", liar.requests_received());
    assert_eq!(done.disconnected, [(liar.address(), "it sent wrong bytes".to_owned())], "{answer:#?}");
    assert!(honest.iter().all(|node| done.bytes_received_from(node.peer.address()) > 0), "{answer:#?}");
}

#[test]
fn verified_bytes_survive_a_manifest_forged_by_most_sources() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(401, 128 * PIECE_LENGTH);
    let half = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::FirstHalf);
    let mut fetcher = network.start_node(&[]);
    fetcher.peer.run(&format!("download {} &", content.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        fetcher.peer.run("transfers").contains("64/128 pieces")
    });
    assert_eq!(fetcher.peer.stop(), Some(0));
    drop(half);
    // Their bytes are correct, but their manifest contradicts the verified half.
    let forge =
        |_| HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::HalfRandomManifest);
    let forgers: Vec<HostilePeer> = (0..3).map(forge).collect();
    let mut honest = network.start_node(&[("truth.bin", &content)]);
    network.wait_for_sources(content.digest, 4, DEFAULT_TIMEOUT);
    honest.peer.freeze();
    fetcher.restart(network.index.address());
    wait_until("the forgery to be served", DEFAULT_TIMEOUT, || forgers.iter().any(HostilePeer::has_lied));
    honest.peer.thaw();
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
        fs::read(fetcher.folder.path().join("truth.bin")).is_ok_and(|bytes| bytes == content.bytes)
    });
    let forged: u64 =
        forgers.iter().map(|forger| forger.requests_received() as u64 * PIECE_LENGTH as u64).sum();
    let (given, missing) = (honest.bytes_sent(), content.size() / 2);
    eprintln!(
        "{missing} bytes were missing; the honest source sent {given}, {forged} were requested from the forgers"
    );
    assert!(given <= missing + MIB / 2, "{given} bytes fetched for {missing}");
    assert!(forged <= missing + 32 * MIB, "{forged} bytes requested from the forgers");
}
