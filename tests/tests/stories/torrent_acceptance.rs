//! Our `.torrent` files are identical to those that other programs create.

use std::collections::BTreeSet;

use tests::third_party::{
    Mktorrent, SwarmTracker, TorrentClient, TorrentFixture, TorrentLayout, installed_clients, report_skipped,
};
use tests::torrent_peer::{TorrentPeer, create_torrent};

#[test]
fn all_clients_read_the_same_infohash() {
    let clients = installed_clients();
    for (number, layout) in [TorrentLayout::File, TorrentLayout::Folder].into_iter().enumerate() {
        let ours: [&[&str]; 3] = [&[], &["--private"], &["--piece-length", "64K", "--comment", "Grüße"]];
        for (at, options) in ours.into_iter().enumerate() {
            let fixture = TorrentFixture::create_with(
                layout,
                (940 + 3 * number + at) as u64,
                SwarmTracker::in_process(),
                |content, url, torrent| {
                    create_torrent(content, url, torrent, options);
                },
            );
            let mut read: BTreeSet<String> =
                clients.iter().map(|client| client.read_infohash(&fixture.torrent).to_lowercase()).collect();
            read.insert(TorrentPeer::default().read_infohash(&fixture.torrent));
            assert_eq!(read, [fixture.infohash.to_string()].into(), "{layout:?} {options:?}");
        }
    }
}

#[test]
fn created_torrent_has_the_infohash_of_mktorrent() {
    let Some(mktorrent) = Mktorrent::find() else { return report_skipped("mktorrent") };
    for layout in [TorrentLayout::File, TorrentLayout::Folder] {
        for (exponent, private) in [(15, false), (18, true), (20, false)] {
            let length = (1_u32 << exponent).to_string();
            let options: &[&str] = if private { &["--private"] } else { &[] };
            let fixture = TorrentFixture::create_with(
                layout,
                950,
                SwarmTracker::in_process(),
                |content, url, torrent| {
                    create_torrent(
                        content,
                        url,
                        torrent,
                        &[&["--piece-length", length.as_str()], options].concat(),
                    );
                },
            );
            let theirs = TorrentFixture::create_with(
                layout,
                950,
                SwarmTracker::in_process(),
                |content, url, torrent| {
                    let options: &[&str] = if private { &["--private"] } else { &[] };
                    mktorrent.make(content, url, exponent, torrent, options);
                },
            );
            assert_eq!(fixture.infohash, theirs.infohash, "{layout:?} 2^{exponent} {private}");
        }
    }
}
