//! The life of a torrent in our client: kills, file selection, limits, and the end of seeding.

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

/// A folder torrent created by our program, with a tracker that lists only seeders.
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

/// Reads the record beside the partial file of a fixture's file.
fn read_part_record(folder: &TestFolder) -> String {
    let path = folder.path().join(format!("{}.part.json", TorrentLayout::File.name()));
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn torrent_resumes_after_kill_9_with_the_missing_pieces() {
    let fixture = TorrentFixture::by_hand(960);
    let half = RawPeer::join(&fixture, TorrentLie::FirstHalf);
    let mut killed = fixture.start_download_unseen(&TorrentPeer::default());
    // 24 of the 49 pieces.
    wait_until("half of the file to be recorded", DEFAULT_TIMEOUT, || {
        read_part_record(&killed.folder).contains("\"ffffff0")
    });
    killed.client.process().kill();
    drop(half);
    let honest = RawPeer::join(&fixture, TorrentLie::None);
    let mut again = fixture.start_in_folder(&TorrentPeer::default(), killed.folder);
    fixture.wait_until_complete(&mut again);
    fixture.assert_only_files_in(&again.folder);
    // 24 pieces of 16 blocks, and a short piece.
    assert!(
        honest.requests_received() <= 24 * 16 + 1,
        "{} excess blocks were requested",
        honest.requests_received() - 385
    );
}

#[test]
fn damaged_part_costs_only_the_damaged_pieces() {
    let fixture = TorrentFixture::by_hand(961);
    let half = RawPeer::join(&fixture, TorrentLie::FirstHalf);
    let mut killed = fixture.start_download_unseen(&TorrentPeer::default());
    wait_until("half of the file to be recorded", DEFAULT_TIMEOUT, || {
        read_part_record(&killed.folder).contains("\"ffffff0")
    });
    killed.client.process().kill();
    drop(half);
    let part = killed.folder.path().join(format!("{}.part", TorrentLayout::File.name()));
    let mut bytes = fs::read(&part).expect("a part");
    bytes[300_000] ^= 1;
    fs::write(&part, bytes).expect("a writable partial file");
    let honest = RawPeer::join(&fixture, TorrentLie::None);
    let mut again = fixture.start_in_folder(&TorrentPeer::default(), killed.folder);
    fixture.wait_until_complete(&mut again);
    assert_eq!(honest.requests_received(), 25 * 16 + 1, "the missing pieces and the damaged one");
}

#[test]
fn only_selected_files_are_downloaded() {
    let fixture = folder_fixture(962);
    let _seed = fixture.start_only_seed(&TorrentPeer::default());
    let selected = TorrentPeer::with_options(&["--select", "*.dat"]);
    let mut ours = fixture.start_download_unseen(&selected);
    ours.client.wait_until_complete();
    assert!(ours.client.process().wait(DEFAULT_TIMEOUT).success());
    let files = ours.folder.visible_files();
    let [wanted] = fixture.files().iter().filter(|(path, _)| path.contains("mitte")).collect::<Vec<_>>()[..]
    else {
        panic!("expected one such file")
    };
    assert_eq!(files.get(&wanted.0), Some(&wanted.1));
    // A file in the same pieces is downloaded with them; other files are not.
    assert!(!files.keys().any(|path| path.contains("last")), "{:?}", files.keys());
    // The other files can be downloaded later.
    let mut all = fixture.start_in_folder(&TorrentPeer::default(), ours.folder);
    fixture.wait_until_complete(&mut all);
    fixture.assert_only_files_in(&all.folder);
}

#[test]
fn seed_stops_at_its_ratio() {
    let fixture = folder_fixture(963);
    let mut seed = fixture.start_only_seed(&TorrentPeer::with_options(&["--seed-ratio", "1"]));
    let mut ours = fixture.start_download_unseen(&TorrentPeer::default());
    fixture.wait_until_complete(&mut ours);
    assert!(seed.client.process().wait(DEFAULT_TIMEOUT).success(), "{}", seed.client.output().text());
}

#[test]
fn torrent_download_limit_is_kept() {
    let fixture = TorrentFixture::by_hand(964);
    let _honest = RawPeer::join(&fixture, TorrentLie::None);
    let start = Instant::now();
    let mut ours = fixture.start_download_unseen(&TorrentPeer::with_options(&["--max-download-rate", "4M"]));
    fixture.wait_until_complete(&mut ours);
    // 12 MiB, of which the amount of the first second may pass at once.
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn torrent_upload_limit_is_kept() {
    let fixture = TorrentFixture::by_hand(965);
    let start = Instant::now();
    let _seed = fixture.start_only_seed(&TorrentPeer::with_options(&["--max-upload-rate", "4M"]));
    let mut ours = fixture.start_download_unseen(&TorrentPeer::default());
    fixture.wait_until_complete(&mut ours);
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn peer_can_be_named_without_a_tracker() {
    let fixture = TorrentFixture::by_hand(966);
    let honest = RawPeer::listen(&fixture, TorrentLie::None);
    let mut ours =
        fixture.start_download_unseen(&TorrentPeer::with_options(&["--peer", &honest.address().to_string()]));
    fixture.wait_until_complete(&mut ours);
}

#[test]
fn seed_with_incomplete_files_reports_it() {
    let (fixture, empty) = (folder_fixture(967), TestFolder::new());
    let command = TorrentPeer::default().command("seed", &fixture.torrent, empty.path());
    let output = tests::peer::run_with_input(command, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: ") && empty.visible_files().is_empty(), "{errors}");
}

#[test]
fn torrent_stops_on_sigterm_and_keeps_its_part() {
    let fixture = TorrentFixture::by_hand(968);
    let _half = RawPeer::join(&fixture, TorrentLie::FirstHalf);
    let mut ours = fixture.start_download_unseen(&TorrentPeer::default());
    assert!(listen_address(&ours.client).ip().is_loopback());
    wait_until("half of the file to be recorded", DEFAULT_TIMEOUT, || {
        read_part_record(&ours.folder).contains("\"ffffff0")
    });
    ours.client.process().signal(rustix::process::Signal::TERM);
    ours.client.process().wait(tests::index::STOP_TIMEOUT);
    assert!(read_part_record(&ours.folder).contains("\"ffffff0"));
}

/// Starts to seed a fixture with a state folder and options. Returns the listen address.
fn start_seed_as(
    account: &TestFolder,
    fixture: &TorrentFixture,
    folder: &TestFolder,
    options: &[&str],
) -> (ClientProcess, SocketAddr) {
    let mut command = torrent_command("seed");
    command.arg(&fixture.torrent).arg("--dir").arg(folder.path());
    command.args(["--listen-host", "127.0.0.1"]).args(options).env("XDG_STATE_HOME", account.path());
    let own = tempfile::tempdir().expect("a temporary folder");
    let running =
        ClientProcess::start("peer-node torrent", command, own, Box::new(CompletionLine(|_| false)));
    let address = listen_address(&running);
    (running, address)
}

#[test]
fn restarted_torrent_keeps_its_port() {
    let (fixture, account) = (TorrentFixture::by_hand(980), TestFolder::new());
    let (folder, other_home) = (fixture.complete_folder(), fixture.complete_folder());
    let (first, at) = start_seed_as(&account, &fixture, &folder, &[]);
    // In another folder, it is a different torrent.
    let (_other, elsewhere) = start_seed_as(&account, &fixture, &other_home, &[]);
    assert_ne!(at, elsewhere);
    drop(first);
    let (second, again) = start_seed_as(&account, &fixture, &folder, &[]);
    assert_eq!(again, at);
    drop(second);
    // An occupied port is not waited for, and a requested port takes precedence.
    let blocker = TcpListener::bind(at).expect("the port is free again");
    let (third, moved) = start_seed_as(&account, &fixture, &folder, &[]);
    assert_ne!(moved, at);
    drop((third, blocker));
    let port = free_port();
    let (fourth, asked) = start_seed_as(&account, &fixture, &folder, &["--port", &port.to_string()]);
    assert_eq!(asked.port(), port);
    drop(fourth);
    let (_fifth, kept) = start_seed_as(&account, &fixture, &folder, &[]);
    assert_eq!(kept.port(), port);
    let joined = TorrentPeer::with_options(&["--peer", &kept.to_string()]);
    let mut fetching = fixture.start_download_unseen(&joined);
    fixture.wait_until_complete(&mut fetching);
}

/// Message numbers (BEP 3).
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;

#[test]
fn two_clients_at_one_address_are_both_connected() {
    // We dial both clients, and both dial us.
    let fixture = TorrentFixture::by_hand(981);
    let seeds = [RawPeer::join(&fixture, TorrentLie::None), RawPeer::join(&fixture, TorrentLie::None)];
    let mut fetching =
        fixture.start_download_unseen(&TorrentPeer::with_options(&["--seed", "--max-download-rate", "4M"]));
    let at = listen_address(&fetching.client);
    wait_until("both seeds to be connected", DEFAULT_TIMEOUT, || seeds.iter().all(RawPeer::has_lied));
    let mut callers: Vec<RawWire> = (0..2_u8)
        .map(|number| {
            let mut wire = RawWire::connect(at).expect("a listening client");
            let mut peer_id = *b"-XX0001-storyteller0";
            peer_id[19] = number;
            wire.send_raw(&RawWire::handshake(fixture.infohash, peer_id)).expect("a connection");
            wire.read_handshake().expect("a handshake");
            wire.send(INTERESTED, &[]).expect("a connection");
            wire
        })
        .collect();
    fixture.wait_until_complete(&mut fetching);
    // Both are served: neither was disconnected because of the other.
    for wire in &mut callers {
        while wire.receive().expect("an open connection").id != UNCHOKE {}
    }
}
