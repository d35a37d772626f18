//! Swarms of clients of every kind.

use tests::foreign::{Client, Layout, Member, Mktorrent, Scene, SwarmTracker, clients, skip};
use tests::torrent_peer::{TorrentPeer, create};

fn everyone_completes(scene: &Scene, seed: &dyn Client) {
    let mut members: Vec<Member> = Vec::new();
    // Who cannot dial is there first, to be dialled by all others.
    let others = clients();
    let (dialling, waiting): (Vec<_>, Vec<_>) = others.iter().partition(|client| client.dials());
    for client in waiting {
        members.push(scene.fetch(&**client, members.len() as u64 + 1));
    }
    let _seed = scene.seed(seed, 1);
    for client in dialling {
        members.push(scene.fetch(&**client, members.len() as u64 + 2));
    }
    for _ in 0..2 {
        members.push(scene.fetch_unseen(&TorrentPeer::with(&["--seed"])));
    }
    for member in &mut members {
        scene.completes(member);
    }
}

#[test]
fn everyone_completes_in_a_swarm_of_all_clients_that_we_seed() {
    let Some(tracker) = SwarmTracker::opentracker() else { return skip("opentracker") };
    let scene = Scene::made(Layout::Folder, 930, tracker, |content, url, torrent| {
        create(content, url, torrent, &["--piece-length", "128K"]);
    });
    everyone_completes(&scene, &TorrentPeer::default());
}

#[test]
fn everyone_completes_in_a_swarm_of_all_clients_that_another_one_seeds() {
    let Some(mktorrent) = Mktorrent::find() else { return skip("mktorrent") };
    let Some(tracker) = SwarmTracker::opentracker() else { return skip("opentracker") };
    let scene = Scene::by_mktorrent(&mktorrent, Layout::File, 931, tracker);
    let Some(seed) = clients().into_iter().find(|client| client.dials()) else { return };
    everyone_completes(&scene, &*seed);
}

#[test]
fn everyone_completes_in_a_swarm_of_all_clients_at_our_own_tracker() {
    let scene = Scene::made(Layout::Folder, 932, SwarmTracker::index(), |content, url, torrent| {
        create(content, url, torrent, &["--piece-length", "256K", "--private"]);
    });
    everyone_completes(&scene, &TorrentPeer::default());
}
