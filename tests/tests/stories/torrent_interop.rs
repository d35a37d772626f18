//! Every third-party client downloads from ours, and ours from every one of them: a file and a folder, over HTTP and
//! UDP trackers.

use tests::third_party::{
    Mktorrent, SwarmTracker, TorrentFixture, TorrentLayout, find_client, report_skipped,
};
use tests::torrent_peer::{TorrentPeer, create_torrent};

/// Returns a torrent of the given layout, created by mktorrent or by us, with opentracker over HTTP, or over UDP if the
/// client supports it.
fn torrent_fixture(layout: TorrentLayout, seed: u64, has_udp: bool) -> Option<TorrentFixture> {
    let tracker = match layout {
        TorrentLayout::Folder if has_udp => SwarmTracker::opentracker_over_udp(),
        TorrentLayout::File | TorrentLayout::Folder => SwarmTracker::opentracker(),
    };
    let (Some(tracker), Some(mktorrent)) = (tracker, Mktorrent::find()) else {
        report_skipped("opentracker or mktorrent");
        return None;
    };
    Some(match layout {
        TorrentLayout::File => TorrentFixture::by_mktorrent(&mktorrent, layout, seed, tracker),
        TorrentLayout::Folder => {
            TorrentFixture::create_with(layout, seed, tracker, |content, url, torrent| {
                create_torrent(content, url, torrent, &["--piece-length", "256K"]);
            })
        }
    })
}

fn we_fetch_from(name: &str, layout: TorrentLayout) {
    let Some(client) = find_client(name) else { return };
    let Some(fixture) = torrent_fixture(layout, 910, client.supports_udp_trackers()) else { return };
    let _seed = fixture.start_seed(&*client, 1);
    let mut ours = fixture.start_download(&TorrentPeer::default(), 2);
    fixture.wait_until_complete(&mut ours);
    fixture.assert_only_files_in(&ours.folder);
}

fn client_fetches_from_us(name: &str, layout: TorrentLayout) {
    let Some(client) = find_client(name) else { return };
    let Some(fixture) = torrent_fixture(layout, 920, client.supports_udp_trackers()) else { return };
    if client.dials_loopback() {
        let _seed = fixture.start_seed(&TorrentPeer::default(), 1);
        let mut theirs = fixture.start_download(&*client, 2);
        return fixture.wait_until_complete(&mut theirs);
    }
    // Our client gets its address from the tracker and dials it.
    let mut theirs = fixture.start_download(&*client, 1);
    let _seed = fixture.start_seed(&TorrentPeer::default(), 1);
    fixture.wait_until_complete(&mut theirs);
}

#[test]
fn we_fetch_a_file_from_transmission() {
    we_fetch_from("transmission", TorrentLayout::File);
}

#[test]
fn we_fetch_a_folder_from_transmission() {
    we_fetch_from("transmission", TorrentLayout::Folder);
}

#[test]
fn we_fetch_a_file_from_aria2() {
    we_fetch_from("aria2", TorrentLayout::File);
}

#[test]
fn we_fetch_a_folder_from_aria2() {
    we_fetch_from("aria2", TorrentLayout::Folder);
}

#[test]
fn we_fetch_a_file_from_libtorrent() {
    we_fetch_from("libtorrent", TorrentLayout::File);
}

#[test]
fn we_fetch_a_folder_from_libtorrent() {
    we_fetch_from("libtorrent", TorrentLayout::Folder);
}

#[test]
fn transmission_fetches_a_file_from_us() {
    client_fetches_from_us("transmission", TorrentLayout::File);
}

#[test]
fn transmission_fetches_a_folder_from_us() {
    client_fetches_from_us("transmission", TorrentLayout::Folder);
}

#[test]
fn aria2_fetches_a_file_from_us() {
    client_fetches_from_us("aria2", TorrentLayout::File);
}

#[test]
fn aria2_fetches_a_folder_from_us() {
    client_fetches_from_us("aria2", TorrentLayout::Folder);
}

#[test]
fn libtorrent_fetches_a_file_from_us() {
    client_fetches_from_us("libtorrent", TorrentLayout::File);
}

#[test]
fn libtorrent_fetches_a_folder_from_us() {
    client_fetches_from_us("libtorrent", TorrentLayout::Folder);
}
