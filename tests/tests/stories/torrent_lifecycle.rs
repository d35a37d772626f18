//! What a torrent goes through at one of ours: killed in the middle, some of its files only, limits, an end to giving.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::free_port::free_port;
use tests::test_folder::TestFolder;
use tests::third_party::{
    ClientProcess, CompletionLine, RawPeer, RawWire, SwarmTracker, TorrentFixture, TorrentLayout, TorrentLie,
};
use tests::torrent_peer::{TorrentPeer, create_torrent, listen_address, torrent_command};

/// A folder's torrent of our own make, at a tracker that tells of seeders alone.
fn folder_fixture(seed: u64) -> TorrentFixture {
    TorrentFixture::create_with(
        TorrentLayout::Folder,
        seed,
        SwarmTracker::in_process(),
        |content, url, torrent| {
            create_torrent(content, url, torrent, &["--piece-length", "256K"]);
        },
    )
}

/// Reads the record beside the part of a scene's file.
fn read_part_record(home: &TestFolder) -> String {
    let path = home.path().join(format!("{}.part.json", TorrentLayout::File.name()));
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn torrent_resumes_after_kill_9_with_the_missing_pieces() {
    let scene = TorrentFixture::by_hand(960);
    let half = RawPeer::join(&scene, TorrentLie::FirstHalf);
    let mut killed = scene.start_download_unseen(&TorrentPeer::default());
    // 24 of its 49 pieces.
    wait_until("half of it to be recorded", DEFAULT_TIMEOUT, || {
        read_part_record(&killed.folder).contains("\"ffffff0")
    });
    killed.client.process().kill();
    drop(half);
    let honest = RawPeer::join(&scene, TorrentLie::None);
    let mut again = scene.start_in_folder(&TorrentPeer::default(), killed.folder);
    scene.wait_until_complete(&mut again);
    scene.assert_only_files_in(&again.folder);
    // 24 pieces of 16 blocks, and a short one.
    assert!(
        honest.requests_received() <= 24 * 16 + 1,
        "{} blocks were fetched again",
        honest.requests_received() - 385
    );
}

#[test]
fn damaged_part_costs_only_the_damaged_pieces() {
    let scene = TorrentFixture::by_hand(961);
    let half = RawPeer::join(&scene, TorrentLie::FirstHalf);
    let mut killed = scene.start_download_unseen(&TorrentPeer::default());
    wait_until("half of it to be recorded", DEFAULT_TIMEOUT, || {
        read_part_record(&killed.folder).contains("\"ffffff0")
    });
    killed.client.process().kill();
    drop(half);
    let part = killed.folder.path().join(format!("{}.part", TorrentLayout::File.name()));
    let mut bytes = fs::read(&part).expect("a part");
    bytes[300_000] ^= 1;
    fs::write(&part, bytes).expect("a part that can be written");
    let honest = RawPeer::join(&scene, TorrentLie::None);
    let mut again = scene.start_in_folder(&TorrentPeer::default(), killed.folder);
    scene.wait_until_complete(&mut again);
    assert_eq!(honest.requests_received(), 25 * 16 + 1, "the missing pieces and the damaged one");
}

#[test]
fn only_selected_files_are_downloaded() {
    let scene = folder_fixture(962);
    let _seed = scene.start_only_seed(&TorrentPeer::default());
    let selected = TorrentPeer::with_options(&["--select", "*.dat"]);
    let mut ours = scene.start_download_unseen(&selected);
    ours.client.wait_until_complete();
    assert!(ours.client.process().wait(DEFAULT_TIMEOUT).success());
    let files = ours.folder.visible_files();
    let [wanted] = scene.files().iter().filter(|(path, _)| path.contains("mitte")).collect::<Vec<_>>()[..]
    else {
        panic!("one such file")
    };
    assert_eq!(files.get(&wanted.0), Some(&wanted.1));
    // A file that lies in the same pieces comes with it; those that do not are not here.
    assert!(!files.keys().any(|path| path.contains("last")), "{:?}", files.keys());
    // The others can be fetched later.
    let mut all = scene.start_in_folder(&TorrentPeer::default(), ours.folder);
    scene.wait_until_complete(&mut all);
    scene.assert_only_files_in(&all.folder);
}

#[test]
fn seed_stops_at_its_ratio() {
    let scene = folder_fixture(963);
    let mut seed = scene.start_only_seed(&TorrentPeer::with_options(&["--seed-ratio", "1"]));
    let mut ours = scene.start_download_unseen(&TorrentPeer::default());
    scene.wait_until_complete(&mut ours);
    assert!(seed.client.process().wait(DEFAULT_TIMEOUT).success(), "{}", seed.client.output().text());
}

#[test]
fn torrent_download_limit_is_kept() {
    let scene = TorrentFixture::by_hand(964);
    let _honest = RawPeer::join(&scene, TorrentLie::None);
    let begun = Instant::now();
    let mut ours = scene.start_download_unseen(&TorrentPeer::with_options(&["--max-download-rate", "4M"]));
    scene.wait_until_complete(&mut ours);
    // 12 MiB; the first second's worth of them may pass at once.
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn torrent_upload_limit_is_kept() {
    let scene = TorrentFixture::by_hand(965);
    let begun = Instant::now();
    let _seed = scene.start_only_seed(&TorrentPeer::with_options(&["--max-upload-rate", "4M"]));
    let mut ours = scene.start_download_unseen(&TorrentPeer::default());
    scene.wait_until_complete(&mut ours);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn peer_can_be_named_without_a_tracker() {
    let scene = TorrentFixture::by_hand(966);
    let honest = RawPeer::listen(&scene, TorrentLie::None);
    let mut ours =
        scene.start_download_unseen(&TorrentPeer::with_options(&["--peer", &honest.address().to_string()]));
    scene.wait_until_complete(&mut ours);
}

#[test]
fn seed_with_incomplete_files_reports_it() {
    let (scene, empty) = (folder_fixture(967), TestFolder::new());
    let command = TorrentPeer::default().command("seed", &scene.torrent, empty.path());
    let output = tests::peer::run_with_input(command, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: ") && empty.visible_files().is_empty(), "{errors}");
}

#[test]
fn torrent_stops_on_sigterm_and_keeps_its_part() {
    let scene = TorrentFixture::by_hand(968);
    let _half = RawPeer::join(&scene, TorrentLie::FirstHalf);
    let mut ours = scene.start_download_unseen(&TorrentPeer::default());
    assert!(listen_address(&ours.client).ip().is_loopback());
    wait_until("half of it to be recorded", DEFAULT_TIMEOUT, || {
        read_part_record(&ours.folder).contains("\"ffffff0")
    });
    ours.client.process().signal(rustix::process::Signal::TERM);
    ours.client.process().wait(tests::index::STOP_TIMEOUT);
    assert!(read_part_record(&ours.folder).contains("\"ffffff0"));
}

/// Starts to seed a scene as the account whose state lies in a folder, with options of its own; returns where it listens.
fn start_seed_as(
    account: &TestFolder,
    scene: &TorrentFixture,
    home: &TestFolder,
    options: &[&str],
) -> (ClientProcess, SocketAddr) {
    let mut command = torrent_command("seed");
    command.arg(&scene.torrent).arg("--dir").arg(home.path());
    command.args(["--listen-host", "127.0.0.1"]).args(options).env("XDG_STATE_HOME", account.path());
    let own = tempfile::tempdir().expect("a temporary folder");
    let running =
        ClientProcess::start("peer-node torrent", command, own, Box::new(CompletionLine(|_| false)));
    let address = listen_address(&running);
    (running, address)
}

#[test]
fn restarted_torrent_keeps_its_port() {
    let (scene, account) = (TorrentFixture::by_hand(980), TestFolder::new());
    let (home, other_home) = (scene.complete_folder(), scene.complete_folder());
    let (first, at) = start_seed_as(&account, &scene, &home, &[]);
    // In another folder it is another one.
    let (_other, elsewhere) = start_seed_as(&account, &scene, &other_home, &[]);
    assert_ne!(at, elsewhere);
    drop(first);
    let (second, again) = start_seed_as(&account, &scene, &home, &[]);
    assert_eq!(again, at);
    drop(second);
    // A port that is taken is not waited for, and one that is asked for wins.
    let holding = TcpListener::bind(at).expect("a port that is free again");
    let (third, moved) = start_seed_as(&account, &scene, &home, &[]);
    assert_ne!(moved, at);
    drop((third, holding));
    let port = free_port();
    let (fourth, asked) = start_seed_as(&account, &scene, &home, &["--port", &port.to_string()]);
    assert_eq!(asked.port(), port);
    drop(fourth);
    let (_fifth, kept) = start_seed_as(&account, &scene, &home, &[]);
    assert_eq!(kept.port(), port);
    let joined = TorrentPeer::with_options(&["--peer", &kept.to_string()]);
    let mut fetching = scene.start_download_unseen(&joined);
    scene.wait_until_complete(&mut fetching);
}

/// The numbers of messages (BEP 3).
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;

#[test]
fn two_clients_at_one_address_are_both_connected() {
    // Both are dialled, and both dial.
    let scene = TorrentFixture::by_hand(981);
    let seeds = [RawPeer::join(&scene, TorrentLie::None), RawPeer::join(&scene, TorrentLie::None)];
    let mut fetching =
        scene.start_download_unseen(&TorrentPeer::with_options(&["--seed", "--max-download-rate", "4M"]));
    let at = listen_address(&fetching.client);
    wait_until("both seeds to be connected", DEFAULT_TIMEOUT, || seeds.iter().all(RawPeer::has_lied));
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
    scene.wait_until_complete(&mut fetching);
    // Both are served: neither was left for the other.
    for wire in &mut callers {
        while wire.receive().expect("a connection that is kept").id != UNCHOKE {}
    }
}
