//! What a torrent goes through at one of ours: killed in the middle, some of its files only, limits, an end to giving.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tests::eventually::{SOON, until};
use tests::foreign::{Layout, RawPeer, RawWire, Running, SaysSo, Scene, SwarmTracker, WireLie};
use tests::free_port::free_port;
use tests::home::Home;
use tests::torrent_peer::{TorrentPeer, address, create, peer_torrent};

/// A folder's torrent of our own make, at a tracker that tells of seeders alone.
fn folder(seed: u64) -> Scene {
    Scene::made(Layout::Folder, seed, SwarmTracker::within(), |content, url, torrent| {
        create(content, url, torrent, &["--piece-length", "256K"]);
    })
}

/// Reads the record beside the part of a scene's file.
fn record(home: &Home) -> String {
    let path = home.path().join(format!("{}.part.json", Layout::File.name()));
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_torrent_goes_on_after_kill_9_and_fetches_only_what_is_missing() {
    let scene = Scene::by_hand(960);
    let half = RawPeer::join(&scene, WireLie::FirstHalf);
    let mut killed = scene.fetch_unseen(&TorrentPeer::default());
    // 24 of its 49 pieces.
    until("half of it to be recorded", SOON, || record(&killed.home).contains("\"ffffff0"));
    killed.running.process().kill();
    drop(half);
    let honest = RawPeer::join(&scene, WireLie::None);
    let mut again = scene.go_on(&TorrentPeer::default(), killed.home);
    scene.completes(&mut again);
    scene.is_tidy(&again.home);
    // 24 pieces of 16 blocks, and a short one.
    assert!(honest.asked() <= 24 * 16 + 1, "{} blocks were fetched again", honest.asked() - 385);
}

#[test]
fn a_damaged_part_costs_the_pieces_concerned() {
    let scene = Scene::by_hand(961);
    let half = RawPeer::join(&scene, WireLie::FirstHalf);
    let mut killed = scene.fetch_unseen(&TorrentPeer::default());
    until("half of it to be recorded", SOON, || record(&killed.home).contains("\"ffffff0"));
    killed.running.process().kill();
    drop(half);
    let part = killed.home.path().join(format!("{}.part", Layout::File.name()));
    let mut bytes = fs::read(&part).expect("a part");
    bytes[300_000] ^= 1;
    fs::write(&part, bytes).expect("a part that can be written");
    let honest = RawPeer::join(&scene, WireLie::None);
    let mut again = scene.go_on(&TorrentPeer::default(), killed.home);
    scene.completes(&mut again);
    assert_eq!(honest.asked(), 25 * 16 + 1, "the missing pieces and the damaged one");
}

#[test]
fn only_the_selected_files_come() {
    let scene = folder(962);
    let _seed = scene.seed_alone(&TorrentPeer::default());
    let selected = TorrentPeer::with(&["--select", "*.dat"]);
    let mut ours = scene.fetch_unseen(&selected);
    ours.running.wait_complete();
    assert!(ours.running.process().wait(SOON).success());
    let files = ours.home.files();
    let [wanted] = scene.files().iter().filter(|(path, _)| path.contains("mitte")).collect::<Vec<_>>()[..]
    else {
        panic!("one such file")
    };
    assert_eq!(files.get(&wanted.0), Some(&wanted.1));
    // A file that lies in the same pieces comes with it; those that do not are not here.
    assert!(!files.keys().any(|path| path.contains("last")), "{:?}", files.keys());
    // The others can be fetched later.
    let mut all = scene.go_on(&TorrentPeer::default(), ours.home);
    scene.completes(&mut all);
    scene.is_tidy(&all.home);
}

#[test]
fn a_seed_ends_when_it_has_given_as_much_as_it_was_told() {
    let scene = folder(963);
    let mut seed = scene.seed_alone(&TorrentPeer::with(&["--seed-ratio", "1"]));
    let mut ours = scene.fetch_unseen(&TorrentPeer::default());
    scene.completes(&mut ours);
    assert!(seed.running.process().wait(SOON).success(), "{}", seed.running.output().text());
}

#[test]
fn a_torrent_comes_no_faster_than_it_may() {
    let scene = Scene::by_hand(964);
    let _honest = RawPeer::join(&scene, WireLie::None);
    let begun = Instant::now();
    let mut ours = scene.fetch_unseen(&TorrentPeer::with(&["--max-download-rate", "4M"]));
    scene.completes(&mut ours);
    // 12 MiB; the first second's worth of them may pass at once.
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_torrent_is_given_no_faster_than_it_may_be() {
    let scene = Scene::by_hand(965);
    let begun = Instant::now();
    let _seed = scene.seed_alone(&TorrentPeer::with(&["--max-upload-rate", "4M"]));
    let mut ours = scene.fetch_unseen(&TorrentPeer::default());
    scene.completes(&mut ours);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_peer_that_no_tracker_names_can_be_given() {
    let scene = Scene::by_hand(966);
    let honest = RawPeer::listen(&scene, WireLie::None);
    let mut ours = scene.fetch_unseen(&TorrentPeer::with(&["--peer", &honest.address().to_string()]));
    scene.completes(&mut ours);
}

#[test]
fn a_seed_whose_files_are_not_whole_says_so() {
    let (scene, empty) = (folder(967), Home::new());
    let command = TorrentPeer::default().command("seed", &scene.torrent, empty.path());
    let output = tests::peer::run(command, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: ") && empty.files().is_empty(), "{errors}");
}

#[test]
fn a_torrent_ends_in_order_on_sigterm_and_leaves_what_it_has() {
    let scene = Scene::by_hand(968);
    let _half = RawPeer::join(&scene, WireLie::FirstHalf);
    let mut ours = scene.fetch_unseen(&TorrentPeer::default());
    assert!(address(&ours.running).ip().is_loopback());
    until("half of it to be recorded", SOON, || record(&ours.home).contains("\"ffffff0"));
    ours.running.process().signal(rustix::process::Signal::TERM);
    ours.running.process().wait(tests::index::STOP_WITHIN);
    assert!(record(&ours.home).contains("\"ffffff0"));
}

/// Starts to seed a scene as the account whose state lies in a folder, with options of its own; returns where it listens.
fn seed_as(account: &Home, scene: &Scene, home: &Home, options: &[&str]) -> (Running, SocketAddr) {
    let mut command = peer_torrent("seed");
    command.arg(&scene.torrent).arg("--dir").arg(home.path());
    command.args(["--listen-host", "127.0.0.1"]).args(options).env("XDG_STATE_HOME", account.path());
    let own = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start("peer-node torrent", command, own, Box::new(SaysSo(|_| false)));
    let address = address(&running);
    (running, address)
}

#[test]
fn a_torrent_that_is_started_again_keeps_its_port() {
    let (scene, account) = (Scene::by_hand(980), Home::new());
    let (home, other_home) = (scene.whole(), scene.whole());
    let (first, at) = seed_as(&account, &scene, &home, &[]);
    // In another folder it is another one.
    let (_other, elsewhere) = seed_as(&account, &scene, &other_home, &[]);
    assert_ne!(at, elsewhere);
    drop(first);
    let (second, again) = seed_as(&account, &scene, &home, &[]);
    assert_eq!(again, at);
    drop(second);
    // A port that is taken is not waited for, and one that is asked for wins.
    let holding = TcpListener::bind(at).expect("a port that is free again");
    let (third, moved) = seed_as(&account, &scene, &home, &[]);
    assert_ne!(moved, at);
    drop((third, holding));
    let port = free_port();
    let (fourth, asked) = seed_as(&account, &scene, &home, &["--port", &port.to_string()]);
    assert_eq!(asked.port(), port);
    drop(fourth);
    let (_fifth, kept) = seed_as(&account, &scene, &home, &[]);
    assert_eq!(kept.port(), port);
    let joined = TorrentPeer::with(&["--peer", &kept.to_string()]);
    let mut fetching = scene.fetch_unseen(&joined);
    scene.completes(&mut fetching);
}

/// The numbers of messages (BEP 3).
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;

#[test]
fn two_clients_behind_one_address_are_both_connected() {
    // Both are dialled, and both dial.
    let scene = Scene::by_hand(981);
    let seeds = [RawPeer::join(&scene, WireLie::None), RawPeer::join(&scene, WireLie::None)];
    let mut fetching = scene.fetch_unseen(&TorrentPeer::with(&["--seed", "--max-download-rate", "4M"]));
    let at = address(&fetching.running);
    until("both seeds to be connected", SOON, || seeds.iter().all(RawPeer::was_heard));
    let mut callers: Vec<RawWire> = (0..2_u8)
        .map(|number| {
            let mut wire = RawWire::connect(at).expect("a client that listens");
            let mut peer_id = *b"-XX0001-storyteller0";
            peer_id[19] = number;
            wire.send_raw(&RawWire::handshake(scene.infohash, peer_id)).expect("a connection");
            wire.read_handshake().expect("a handshake");
            wire.send(INTERESTED, &[]).expect("a connection");
            wire
        })
        .collect();
    scene.completes(&mut fetching);
    // Both are served: neither was left for the other.
    for wire in &mut callers {
        while wire.receive().expect("a connection that is kept").id != UNCHOKE {}
    }
}
