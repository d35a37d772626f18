//! The programs of other people meet each other as these stories set them up, so that a story that fails with ours does
//! not fail for the stage.

use tests::third_party::{
    Mktorrent, RawPeer, SwarmTracker, TorrentFixture, TorrentLayout, TorrentLie, find_client, report_skipped,
};

/// One has a torrent, another one fetches it.
fn assert_transfer(layout: TorrentLayout, tracker: Option<SwarmTracker>, from: &str, to: &str) {
    let Some(mktorrent) = Mktorrent::find() else { return report_skipped("mktorrent") };
    let Some(tracker) = tracker else { return report_skipped("opentracker") };
    let (Some(from), Some(to)) = (find_client(from), find_client(to)) else { return };
    let scene = TorrentFixture::by_mktorrent(&mktorrent, layout, 900, tracker);
    let _seeding = scene.start_seed(&*from, 1);
    let mut fetching = scene.start_download(&*to, 2);
    scene.wait_until_complete(&mut fetching);
}

#[test]
fn aria2_fetches_a_folder_from_libtorrent_by_http() {
    assert_transfer(TorrentLayout::Folder, SwarmTracker::opentracker(), "libtorrent", "aria2");
}

#[test]
fn libtorrent_fetches_a_file_from_transmission_by_udp() {
    assert_transfer(TorrentLayout::File, SwarmTracker::opentracker_over_udp(), "transmission", "libtorrent");
}

#[test]
fn aria2_fetches_a_file_from_an_honest_scripted_peer() {
    let Some(aria2) = find_client("aria2") else { return };
    let scene = TorrentFixture::by_hand(901);
    let honest = RawPeer::join(&scene, TorrentLie::None);
    let mut fetching = scene.start_download_unseen(&*aria2);
    scene.wait_until_complete(&mut fetching);
    assert!(honest.has_lied() && honest.requests_received() > 49);
}
