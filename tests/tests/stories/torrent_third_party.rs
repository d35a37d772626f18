//! Third-party programs work with each other in the setup of these stories, so that a failure with ours is not caused
//! by the setup.

use tests::third_party::{
    Mktorrent, RawPeer, SwarmTracker, TorrentFixture, TorrentLayout, TorrentLie, find_client, report_skipped,
};

/// One client seeds a torrent, another downloads it.
fn assert_transfer(layout: TorrentLayout, tracker: Option<SwarmTracker>, from: &str, to: &str) {
    let Some(mktorrent) = Mktorrent::find() else { return report_skipped("mktorrent") };
    let Some(tracker) = tracker else { return report_skipped("opentracker") };
    let (Some(from), Some(to)) = (find_client(from), find_client(to)) else { return };
    let fixture = TorrentFixture::by_mktorrent(&mktorrent, layout, 900, tracker);
    let _seeding = fixture.start_seed(&*from, 1);
    let mut fetching = fixture.start_download(&*to, 2);
    fixture.wait_until_complete(&mut fetching);
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
    let fixture = TorrentFixture::by_hand(901);
    let honest = RawPeer::join(&fixture, TorrentLie::None);
    let mut fetching = fixture.start_download_unseen(&*aria2);
    fixture.wait_until_complete(&mut fetching);
    assert!(honest.has_lied() && honest.requests_received() > 49);
}
