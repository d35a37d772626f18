//! Sources that lie: with one honest source the file comes whole, without one the download waits and says why.

use std::fs;
use std::time::{Duration, Instant};

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{Network, Node};

/// How long a download that has no honest source may take to find that out, and then to find one that comes.
const WITHIN: Duration = Duration::from_secs(90);

/// A liar and an honest peer share a file; a third fetches it, and must have it whole.
fn comes_whole_beside(lie: Lie) {
    let mut network = Network::new();
    let content = Content::random(20, 40 * PIECE + 12345);
    let liar = HostilePeer::join(network.index.address(), "truth.bin", &content, lie);
    let honest = network.node(&[("truth.bin", &content)]);
    let mut fetcher = network.node(&[]);
    network.wait_for_sources(content.digest, 2, WITHIN);
    // The honest one holds its peace until the lie was heard.
    honest.peer.freeze();
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    until("the lie to be heard", SOON, || liar.was_heard());
    honest.peer.thaw();
    let answer = fetcher.peer.answer(asked);
    assert_eq!((answer.done().len(), answer.errors().len()), (1, 0), "{answer:#?}");
    fetcher.has(&content);
    is_tidy(&fetcher);
}

/// Only liars share a file; the fetcher must wait for better sources, say why, and have no wrong byte.
fn waits_with_only(lie: Lie) {
    let mut network = Network::new();
    let content = Content::random(21, 5 * PIECE + 999);
    let _liars: Vec<HostilePeer> =
        (0..2).map(|_| HostilePeer::join(network.index.address(), "lies.bin", &content, lie)).collect();
    let mut fetcher = network.node(&[]);
    fetcher.peer.say(&format!("download {} &", content.digest));
    wait_for_reason(&mut fetcher);
    let visible: Vec<String> = fetcher.home.files().into_keys().collect();
    assert!(visible.iter().all(|name| name.contains(".part")), "{visible:?}");
    // The peer is as well as before.
    assert!(fetcher.peer.say("files").errors().is_empty());
}

/// Waits until a node's only download waits for sources, and says what it tried.
fn wait_for_reason(fetcher: &mut Node) {
    until("the download to wait and to say why", WITHIN, || {
        let transfers = fetcher.peer.say("transfers");
        let says_why =
            transfers.has("tried in vain (127.0.0.1:") || transfers.has("missing pieces (127.0.0.1:");
        transfers.states() == ["waiting for sources"] && says_why
    });
}

/// Nothing but the file itself is left.
fn is_tidy(fetcher: &Node) {
    let left: Vec<_> = fs::read_dir(fetcher.home.path()).expect("a folder").flatten().collect();
    let names: Vec<_> = left.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| name == "truth.bin" || name == ".peerdex"), "{names:?}");
}

#[test]
fn a_scripted_peer_that_does_not_lie_is_a_good_source() {
    let mut network = Network::new();
    let content = Content::random(22, 6 * PIECE + 1);
    let honest = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::None);
    let mut fetcher = network.node(&[]);
    let done = fetcher.fetch(&content);
    assert_eq!(done.givers, [(honest.address(), content.size())]);
    assert!(honest.asked() > 0);
}

#[test]
fn wrong_bytes_never_reach_the_file() {
    comes_whole_beside(Lie::WrongBytes);
}

#[test]
fn a_block_cut_short_costs_only_its_connection() {
    comes_whole_beside(Lie::ShortBlock);
}

#[test]
fn a_source_that_stalls_in_a_block_is_overtaken() {
    comes_whole_beside(Lie::Stall);
}

#[test]
fn a_source_that_never_answers_is_overtaken() {
    comes_whole_beside(Lie::NeverAnswers);
}

#[test]
fn a_block_that_nobody_asked_for_is_not_taken() {
    comes_whole_beside(Lie::UnaskedBlock);
}

#[test]
fn a_block_longer_than_asked_is_not_taken() {
    comes_whole_beside(Lie::LongerBlock);
}

#[test]
fn a_garbage_frame_ends_its_connection_alone() {
    comes_whole_beside(Lie::GarbageFrame);
}

#[test]
fn an_oversize_frame_is_refused_from_its_header() {
    comes_whole_beside(Lie::OversizeFrame);
}

#[test]
fn a_manifest_with_too_few_states_is_passed_over() {
    comes_whole_beside(Lie::ManifestCount);
}

#[test]
fn a_manifest_of_noise_is_found_out() {
    comes_whole_beside(Lie::ManifestStates);
}

#[test]
fn a_manifest_that_is_not_the_one_offered_is_passed_over() {
    comes_whole_beside(Lie::ManifestId);
}

#[test]
fn a_manifest_that_never_comes_is_fetched_elsewhere() {
    comes_whole_beside(Lie::ManifestMissing);
}

#[test]
fn an_offer_of_another_size_is_refused() {
    comes_whole_beside(Lie::OtherSize);
}

#[test]
fn a_source_that_turns_every_request_down_is_done_without() {
    comes_whole_beside(Lie::Rejects);
}

#[test]
fn forty_sources_that_never_greet_hold_nobody_up() {
    let mut network = Network::new();
    let content = Content::random(26, 12 * PIECE + 5);
    let mute = |_| HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::NeverGreets);
    let mutes: Vec<HostilePeer> = (0..40).map(mute).collect();
    let _honest = network.node(&[("truth.bin", &content)]);
    let mut fetcher = network.node(&[]);
    let begun = Instant::now();
    fetcher.fetch(&content);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(mutes);
}

#[test]
fn a_forged_manifest_from_all_but_one_is_dropped_for_the_honest_one() {
    let mut network = Network::new();
    let content = Content::random(23, 12 * PIECE + 5);
    let liars: Vec<HostilePeer> = (0..3)
        .map(|_| HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::ManifestStates))
        .collect();
    let _honest = network.node(&[("truth.bin", &content)]);
    let mut fetcher = network.node(&[]);
    network.wait_for_sources(content.digest, 4, WITHIN);
    fetcher.fetch(&content);
    drop(liars);
}

#[test]
fn after_forged_manifests_a_download_continues_with_an_honest_source() {
    let mut network = Network::new();
    let content = Content::random(24, 7 * PIECE + 5);
    let liar = HostilePeer::join(network.index.address(), "truth.bin", &content, Lie::ManifestStates);
    let mut fetcher = network.node(&[]);
    fetcher.peer.say(&format!("download {} &", content.digest));
    wait_for_reason(&mut fetcher);
    let _honest = network.node(&[("truth.bin", &content)]);
    fetcher.fetch(&content);
    drop(liar);
}

#[test]
fn only_wrong_bytes_make_a_download_wait() {
    waits_with_only(Lie::WrongBytes);
}

#[test]
fn only_short_blocks_make_a_download_wait() {
    waits_with_only(Lie::ShortBlock);
}

#[test]
fn only_stalling_sources_make_a_download_wait() {
    waits_with_only(Lie::Stall);
}

#[test]
fn only_sources_that_never_answer_make_a_download_wait() {
    waits_with_only(Lie::NeverAnswers);
}

#[test]
fn only_unasked_blocks_make_a_download_wait() {
    waits_with_only(Lie::UnaskedBlock);
}

#[test]
fn only_longer_blocks_make_a_download_wait() {
    waits_with_only(Lie::LongerBlock);
}

#[test]
fn only_garbage_makes_a_download_wait() {
    waits_with_only(Lie::GarbageFrame);
}

#[test]
fn only_oversize_frames_make_a_download_wait() {
    waits_with_only(Lie::OversizeFrame);
}

#[test]
fn only_manifests_of_a_wrong_count_make_a_download_wait() {
    waits_with_only(Lie::ManifestCount);
}

#[test]
fn only_forged_manifests_make_a_download_wait() {
    waits_with_only(Lie::ManifestStates);
}

#[test]
fn only_missing_manifests_make_a_download_wait() {
    waits_with_only(Lie::ManifestMissing);
}

#[test]
fn only_offers_of_another_size_make_a_download_wait() {
    waits_with_only(Lie::OtherSize);
}

#[test]
fn only_rejections_make_a_download_wait() {
    waits_with_only(Lie::Rejects);
}

#[test]
fn a_source_of_a_later_release_is_fetched_from_all_the_same() {
    let network = Network::new();
    let content = Content::random(165, 3 * PIECE);
    let _source = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::UnknownMessages);
    network.node_with(&[]).fetch(&content);
}
