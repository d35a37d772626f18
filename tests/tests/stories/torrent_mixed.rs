//! Swarms of clients of every kind.

use tests::third_party::{
    Mktorrent, SwarmMember, SwarmTracker, TorrentClient, TorrentFixture, TorrentLayout, installed_clients,
    report_skipped,
};
use tests::torrent_peer::{TorrentPeer, create_torrent};

fn assert_all_complete(fixture: &TorrentFixture, seed: &dyn TorrentClient) {
    let mut members: Vec<SwarmMember> = Vec::new();
    // Clients that cannot dial start first, to be dialled by all others.
    let others = installed_clients();
    let (dialling, waiting): (Vec<_>, Vec<_>) = others.iter().partition(|client| client.dials_loopback());
    for client in waiting {
        members.push(fixture.start_download(&**client, members.len() as u64 + 1));
    }
    let _seed = fixture.start_seed(seed, 1);
    for client in dialling {
        members.push(fixture.start_download(&**client, members.len() as u64 + 2));
    }
    for _ in 0..2 {
        members.push(fixture.start_download_unseen(&TorrentPeer::with_options(&["--seed"])));
    }
    for member in &mut members {
        fixture.wait_until_complete(member);
    }
}

#[test]
fn mixed_swarm_completes_from_our_seed() {
    let Some(tracker) = SwarmTracker::opentracker() else { return report_skipped("opentracker") };
    let fixture =
        TorrentFixture::create_with(TorrentLayout::Folder, 930, tracker, |content, url, torrent| {
            create_torrent(content, url, torrent, &["--piece-length", "128K"]);
        });
    assert_all_complete(&fixture, &TorrentPeer::default());
}

#[test]
fn mixed_swarm_completes_from_another_clients_seed() {
    let Some(mktorrent) = Mktorrent::find() else { return report_skipped("mktorrent") };
    let Some(tracker) = SwarmTracker::opentracker() else { return report_skipped("opentracker") };
    let fixture = TorrentFixture::by_mktorrent(&mktorrent, TorrentLayout::File, 931, tracker);
    let Some(seed) = installed_clients().into_iter().find(|client| client.dials_loopback()) else { return };
    assert_all_complete(&fixture, &*seed);
}

#[test]
fn mixed_swarm_completes_at_our_tracker() {
    let fixture = TorrentFixture::create_with(
        TorrentLayout::Folder,
        932,
        SwarmTracker::index(),
        |content, url, torrent| {
            create_torrent(content, url, torrent, &["--piece-length", "256K", "--private"]);
        },
    );
    assert_all_complete(&fixture, &TorrentPeer::default());
}
