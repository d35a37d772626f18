//! A tracker over HTTPS is asked by whoever trusts its certificate, which the environment can name.

use tests::eventually::DEFAULT_TIMEOUT;
use tests::third_party::{SwarmTracker, TorrentFixture, TorrentLayout};
use tests::torrent_peer::{TorrentPeer, create_torrent};

#[test]
fn only_the_certificate_in_the_environment_is_trusted() {
    let tracker = SwarmTracker::index_over_https();
    let trusting = TorrentPeer::trusting(&tracker.certificate());
    let scene = TorrentFixture::create_with(TorrentLayout::File, 1100, tracker, |content, url, torrent| {
        create_torrent(content, url, torrent, &[])
    });
    let _seeding = scene.start_seed(&trusting, 1);
    let mut fetching = scene.start_download(&trusting, 2);
    scene.wait_until_complete(&mut fetching);
    let wary = scene.start_download_unseen(&TorrentPeer::default());
    let output = wary.client.output();
    let origin = scene.tracker.url().trim_end_matches("/announce");
    let told = output.find(0, DEFAULT_TIMEOUT, |line| line.contains(origin) && line.contains("certificate"));
    assert!(told.is_some(), "{}", output.text());
    assert!(!wary.client.is_complete());
}
