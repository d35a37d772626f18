//! A tracker over HTTPS is asked by whoever trusts its certificate, which the environment can name.

use tests::eventually::SOON;
use tests::foreign::{Layout, Scene, SwarmTracker};
use tests::torrent_peer::{TorrentPeer, create};

#[test]
fn a_certificate_that_the_environment_names_is_trusted_and_no_other() {
    let tracker = SwarmTracker::index_over_https();
    let trusting = TorrentPeer::trusting(&tracker.certificate());
    let scene =
        Scene::made(Layout::File, 1100, tracker, |content, url, torrent| create(content, url, torrent, &[]));
    let _seeding = scene.seed(&trusting, 1);
    let mut fetching = scene.fetch(&trusting, 2);
    scene.completes(&mut fetching);
    let wary = scene.fetch_unseen(&TorrentPeer::default());
    let output = wary.running.output();
    let origin = scene.tracker.url().trim_end_matches("/announce");
    let told = output.find(0, SOON, |line| line.contains(origin) && line.contains("certificate"));
    assert!(told.is_some(), "{}", output.text());
    assert!(!wary.running.is_complete());
}
