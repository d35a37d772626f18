//! Our `.torrent` files are those that everybody else would have made.

use std::collections::BTreeSet;

use tests::foreign::{Client, Layout, Mktorrent, Scene, SwarmTracker, clients, skip};
use tests::torrent_peer::{TorrentPeer, create};

#[test]
fn every_client_reads_the_same_infohash_out_of_our_torrents_and_of_others() {
    let clients = clients();
    for (number, layout) in [Layout::File, Layout::Folder].into_iter().enumerate() {
        let ours: [&[&str]; 3] = [&[], &["--private"], &["--piece-length", "64K", "--comment", "Grüße"]];
        for (at, options) in ours.into_iter().enumerate() {
            let scene = Scene::made(
                layout,
                (940 + 3 * number + at) as u64,
                SwarmTracker::within(),
                |content, url, torrent| {
                    create(content, url, torrent, options);
                },
            );
            let mut read: BTreeSet<String> =
                clients.iter().map(|client| client.infohash(&scene.torrent).to_lowercase()).collect();
            read.insert(TorrentPeer::default().infohash(&scene.torrent));
            assert_eq!(read, [scene.infohash.to_string()].into(), "{layout:?} {options:?}");
        }
    }
}

#[test]
fn our_torrents_have_the_infohash_of_mktorrents_for_the_same_parameters() {
    let Some(mktorrent) = Mktorrent::find() else { return skip("mktorrent") };
    for layout in [Layout::File, Layout::Folder] {
        for (exponent, private) in [(15, false), (18, true), (20, false)] {
            let length = (1_u32 << exponent).to_string();
            let options: &[&str] = if private { &["--private"] } else { &[] };
            let scene = Scene::made(layout, 950, SwarmTracker::within(), |content, url, torrent| {
                create(content, url, torrent, &[&["--piece-length", length.as_str()], options].concat());
            });
            let theirs = Scene::made(layout, 950, SwarmTracker::within(), |content, url, torrent| {
                let options: &[&str] = if private { &["--private"] } else { &[] };
                mktorrent.make(content, url, exponent, torrent, options);
            });
            assert_eq!(scene.infohash, theirs.infohash, "{layout:?} 2^{exponent} {private}");
        }
    }
}
