//! A tracker over HTTPS, with a certificate that the environment can name as trusted.

use tests::eventually::DEFAULT_TIMEOUT;
use tests::third_party::{SwarmTracker, TorrentFixture, TorrentLayout};
use tests::torrent_peer::{TorrentPeer, create_torrent};

#[test]
fn only_the_certificate_in_the_environment_is_trusted() {
    let tracker = SwarmTracker::index_over_https();
    let trusting = TorrentPeer::trusting(&tracker.certificate());
    let fixture = TorrentFixture::create_with(TorrentLayout::File, 1100, tracker, |content, url, torrent| {
        create_torrent(content, url, torrent, &[]);
    });
    let _seeding = fixture.start_seed(&trusting, 1);
    let mut fetching = fixture.start_download(&trusting, 2);
    fixture.wait_until_complete(&mut fetching);
    let wary = fixture.start_download_unseen(&TorrentPeer::default());
    let output = wary.client.output();
    let origin = fixture.tracker.url().trim_end_matches("/announce");
    let warning =
        output.find(0, DEFAULT_TIMEOUT, |line| line.contains(origin) && line.contains("certificate"));
    assert!(warning.is_some(), "{}", output.text());
    assert!(!wary.client.is_complete());
}
