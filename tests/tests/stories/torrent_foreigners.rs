//! The programs of other people meet each other as these stories set them up, so that a story that fails with ours does
//! not fail for the stage.

use tests::foreign::{Layout, Mktorrent, RawPeer, Scene, SwarmTracker, WireLie, client, skip};

/// One has a torrent, another one fetches it.
fn pass_on(layout: Layout, tracker: Option<SwarmTracker>, from: &str, to: &str) {
    let Some(mktorrent) = Mktorrent::find() else { return skip("mktorrent") };
    let Some(tracker) = tracker else { return skip("opentracker") };
    let (Some(from), Some(to)) = (client(from), client(to)) else { return };
    let scene = Scene::by_mktorrent(&mktorrent, layout, 900, tracker);
    let _seeding = scene.seed(&*from, 1);
    let mut fetching = scene.fetch(&*to, 2);
    scene.completes(&mut fetching);
}

#[test]
fn aria2_fetches_a_folder_from_libtorrent_by_http() {
    pass_on(Layout::Folder, SwarmTracker::opentracker(), "libtorrent", "aria2");
}

#[test]
fn libtorrent_fetches_a_file_from_transmission_by_udp() {
    pass_on(Layout::File, SwarmTracker::opentracker_by_udp(), "transmission", "libtorrent");
}

#[test]
fn aria2_fetches_a_file_from_a_scripted_peer_that_does_not_lie() {
    let Some(aria2) = client("aria2") else { return };
    let scene = Scene::by_hand(901);
    let honest = RawPeer::join(&scene, WireLie::None);
    let mut fetching = scene.fetch_unseen(&*aria2);
    scene.completes(&mut fetching);
    assert!(honest.was_heard() && honest.asked() > 49);
}
