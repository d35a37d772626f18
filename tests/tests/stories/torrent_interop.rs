//! Every client of other people fetches from ours, and ours from every one of them: a file and a folder, over trackers of
//! both kinds.

use tests::foreign::{Layout, Mktorrent, Scene, SwarmTracker, client, skip};
use tests::torrent_peer::{TorrentPeer, create};

/// A torrent of each kind, with mktorrent's or our own file, and opentracker over HTTP, or over UDP where the client can.
fn scene(layout: Layout, seed: u64, has_udp: bool) -> Option<Scene> {
    let tracker = match layout {
        Layout::Folder if has_udp => SwarmTracker::opentracker_by_udp(),
        Layout::File | Layout::Folder => SwarmTracker::opentracker(),
    };
    let (Some(tracker), Some(mktorrent)) = (tracker, Mktorrent::find()) else {
        skip("opentracker or mktorrent");
        return None;
    };
    Some(match layout {
        Layout::File => Scene::by_mktorrent(&mktorrent, layout, seed, tracker),
        Layout::Folder => Scene::made(layout, seed, tracker, |content, url, torrent| {
            create(content, url, torrent, &["--piece-length", "256K"]);
        }),
    })
}

fn we_fetch_from(name: &str, layout: Layout) {
    let Some(client) = client(name) else { return };
    let Some(scene) = scene(layout, 910, client.has_udp()) else { return };
    let _seed = scene.seed(&*client, 1);
    let mut ours = scene.fetch(&TorrentPeer::default(), 2);
    scene.completes(&mut ours);
    scene.is_tidy(&ours.home);
}

fn fetches_from_us(name: &str, layout: Layout) {
    let Some(client) = client(name) else { return };
    let Some(scene) = scene(layout, 920, client.has_udp()) else { return };
    if client.dials() {
        let _seed = scene.seed(&TorrentPeer::default(), 1);
        let mut theirs = scene.fetch(&*client, 2);
        return scene.completes(&mut theirs);
    }
    // Ours learns of it from the tracker, and dials it.
    let mut theirs = scene.fetch(&*client, 1);
    let _seed = scene.seed(&TorrentPeer::default(), 1);
    scene.completes(&mut theirs);
}

#[test]
fn we_fetch_a_file_from_transmission() {
    we_fetch_from("transmission", Layout::File);
}

#[test]
fn we_fetch_a_folder_from_transmission() {
    we_fetch_from("transmission", Layout::Folder);
}

#[test]
fn we_fetch_a_file_from_aria2() {
    we_fetch_from("aria2", Layout::File);
}

#[test]
fn we_fetch_a_folder_from_aria2() {
    we_fetch_from("aria2", Layout::Folder);
}

#[test]
fn we_fetch_a_file_from_libtorrent() {
    we_fetch_from("libtorrent", Layout::File);
}

#[test]
fn we_fetch_a_folder_from_libtorrent() {
    we_fetch_from("libtorrent", Layout::Folder);
}

#[test]
fn transmission_fetches_a_file_from_us() {
    fetches_from_us("transmission", Layout::File);
}

#[test]
fn transmission_fetches_a_folder_from_us() {
    fetches_from_us("transmission", Layout::Folder);
}

#[test]
fn aria2_fetches_a_file_from_us() {
    fetches_from_us("aria2", Layout::File);
}

#[test]
fn aria2_fetches_a_folder_from_us() {
    fetches_from_us("aria2", Layout::Folder);
}

#[test]
fn libtorrent_fetches_a_file_from_us() {
    fetches_from_us("libtorrent", Layout::File);
}

#[test]
fn libtorrent_fetches_a_folder_from_us() {
    fetches_from_us("libtorrent", Layout::Folder);
}
