//! Sources that misbehave: with one honest source the download completes; without one it waits and reports why.

use std::fs;
use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{RunningNode, TestNetwork};

/// Time limit for a download to find that it has no honest source, and then to find one that appears.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(90);

/// A hostile and an honest node share a file; a third node must download it completely.
fn assert_completes_beside(lie: Lie) {
    let mut network = TestNetwork::new();
    let content = TestContent::random(20, 40 * PIECE_LENGTH + 12345);
    let liar = HostilePeer::join(network.index.address(), "truth.bin", &content, lie);
    let honest = network.start_node(&[("truth.bin", &content)]);
    let mut fetcher = network.start_node(&[]);
    network.wait_for_sources(content.digest, 2, DOWNLOAD_TIMEOUT);
    // The honest source is frozen until the hostile one has misbehaved.
    honest.peer.freeze();
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_until("the lie to be sent", DEFAULT_TIMEOUT, || liar.has_lied());
    honest.peer.thaw();
    let answer = fetcher.peer.wait_for_output(started);
    assert_eq!((answer.completed_downloads().len(), answer.errors().len()), (1, 0), "{answer:#?}");
    fetcher.path_of(&content);
    assert_no_leftovers(&fetcher);
}

/// Only hostile nodes share a file. The downloading node must wait for better sources, report why, and have no wrong
/// byte.
fn assert_waits_with_only(lie: Lie) {
    let mut network = TestNetwork::new();
    let content = TestContent::random(21, 5 * PIECE_LENGTH + 999);
    let _liars: Vec<HostilePeer> =
        (0..2).map(|_| HostilePeer::join(network.index.address(), "lies.bin", &content, lie)).collect();
    let mut fetcher = network.start_node(&[]);
    fetcher.peer.run(&format!("download {} &", content.digest));
    wait_for_reason(&mut fetcher);
    let visible: Vec<String> = fetcher.folder.visible_files().into_keys().collect();
    assert!(visible.iter().all(|name| name.contains(".part")), "{visible:?}");
    // The node still works.
    assert!(fetcher.peer.run("files").errors().is_empty());
}

/// Waits until a node's only download waits for sources and reports the failed sources.
fn wait_for_reason(fetcher: &mut RunningNode) {
    wait_until("the download to wait and report why", DOWNLOAD_TIMEOUT, || {
        let transfers = fetcher.peer.run("transfers");
        let says_why = transfers.contains("tried without success (127.0.0.1:")
            || transfers.contains("missing pieces (127.0.0.1:");
        transfers.download_states() == ["waiting for sources"] && says_why
    });
}

/// Checks that nothing but the file itself remains.
fn assert_no_leftovers(fetcher: &RunningNode) {
    let entries: Vec<_> = fs::read_dir(fetcher.folder.path()).expect("a folder").flatten().collect();
    let names: Vec<_> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| name == "truth.bin" || name == ".peerdex"), "{names:?}");
}

#[test]
fn honest_scripted_peer_is_a_good_source() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(22, 6 * PIECE_LENGTH + 1);
    let honest = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::None);
    let mut fetcher = network.start_node(&[]);
    let done = fetcher.download(&content);
    assert_eq!(done.sources, [(honest.address(), content.size())]);
    assert!(honest.requests_received() > 0);
}

#[test]
fn wrong_bytes_never_reach_the_file() {
    assert_completes_beside(Lie::WrongBytes);
}

#[test]
fn truncated_block_ends_only_its_connection() {
    assert_completes_beside(Lie::ShortBlock);
}

#[test]
fn a_source_that_stalls_in_a_block_is_overtaken() {
    assert_completes_beside(Lie::Stall);
}

#[test]
fn a_source_that_never_answers_is_overtaken() {
    assert_completes_beside(Lie::NeverAnswers);
}

#[test]
fn unrequested_block_is_not_accepted() {
    assert_completes_beside(Lie::UnrequestedBlock);
}

#[test]
fn block_longer_than_requested_is_not_accepted() {
    assert_completes_beside(Lie::LongerBlock);
}

#[test]
fn garbage_frame_ends_only_its_connection() {
    assert_completes_beside(Lie::GarbageFrame);
}

#[test]
fn oversize_frame_is_refused_from_its_header() {
    assert_completes_beside(Lie::OversizeFrame);
}

#[test]
fn manifest_with_too_few_states_is_ignored() {
    assert_completes_beside(Lie::ManifestTooShort);
}

#[test]
fn random_manifest_is_rejected() {
    assert_completes_beside(Lie::RandomManifest);
}

#[test]
fn manifest_other_than_the_offered_one_is_ignored() {
    assert_completes_beside(Lie::RandomManifestTrueId);
}

#[test]
fn missing_manifest_is_fetched_elsewhere() {
    assert_completes_beside(Lie::MissingManifest);
}

#[test]
fn an_offer_of_another_size_is_refused() {
    assert_completes_beside(Lie::OtherSize);
}

#[test]
fn source_that_rejects_every_request_does_no_harm() {
    assert_completes_beside(Lie::Rejects);
}

#[test]
fn forty_silent_sources_do_not_delay_a_download() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(26, 12 * PIECE_LENGTH + 5);
    let mute = |_| HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::NeverGreets);
    let mutes: Vec<HostilePeer> = (0..40).map(mute).collect();
    let _honest = network.start_node(&[("truth.bin", &content)]);
    let mut fetcher = network.start_node(&[]);
    let start = Instant::now();
    fetcher.download(&content);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    drop(mutes);
}

#[test]
fn forged_manifest_of_the_majority_is_dropped() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(23, 12 * PIECE_LENGTH + 5);
    let liars: Vec<HostilePeer> = (0..3)
        .map(|_| HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::RandomManifest))
        .collect();
    let _honest = network.start_node(&[("truth.bin", &content)]);
    let mut fetcher = network.start_node(&[]);
    network.wait_for_sources(content.digest, 4, DOWNLOAD_TIMEOUT);
    fetcher.download(&content);
    drop(liars);
}

#[test]
fn download_continues_with_an_honest_source_after_forgeries() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(24, 7 * PIECE_LENGTH + 5);
    let liar = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::RandomManifest);
    let mut fetcher = network.start_node(&[]);
    fetcher.peer.run(&format!("download {} &", content.digest));
    wait_for_reason(&mut fetcher);
    let _honest = network.start_node(&[("truth.bin", &content)]);
    fetcher.download(&content);
    drop(liar);
}

#[test]
fn only_wrong_bytes_make_a_download_wait() {
    assert_waits_with_only(Lie::WrongBytes);
}

#[test]
fn only_short_blocks_make_a_download_wait() {
    assert_waits_with_only(Lie::ShortBlock);
}

#[test]
fn only_stalling_sources_make_a_download_wait() {
    assert_waits_with_only(Lie::Stall);
}

#[test]
fn only_sources_that_never_answer_make_a_download_wait() {
    assert_waits_with_only(Lie::NeverAnswers);
}

#[test]
fn only_unrequested_blocks_make_a_download_wait() {
    assert_waits_with_only(Lie::UnrequestedBlock);
}

#[test]
fn only_longer_blocks_make_a_download_wait() {
    assert_waits_with_only(Lie::LongerBlock);
}

#[test]
fn only_garbage_makes_a_download_wait() {
    assert_waits_with_only(Lie::GarbageFrame);
}

#[test]
fn only_oversize_frames_make_a_download_wait() {
    assert_waits_with_only(Lie::OversizeFrame);
}

#[test]
fn only_short_manifests_make_a_download_wait() {
    assert_waits_with_only(Lie::ManifestTooShort);
}

#[test]
fn only_forged_manifests_make_a_download_wait() {
    assert_waits_with_only(Lie::RandomManifest);
}

#[test]
fn only_missing_manifests_make_a_download_wait() {
    assert_waits_with_only(Lie::MissingManifest);
}

#[test]
fn only_offers_of_another_size_make_a_download_wait() {
    assert_waits_with_only(Lie::OtherSize);
}

#[test]
fn only_rejections_make_a_download_wait() {
    assert_waits_with_only(Lie::Rejects);
}

#[test]
fn source_of_a_later_release_is_used() {
    let network = TestNetwork::new();
    let content = TestContent::random(165, 3 * PIECE_LENGTH);
    let _source = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::UnknownMessages);
    network.start_empty_node(&[]).download(&content);
}
