//! Downloads over long distances: hosts in network namespaces on emulated lines with a rate, a delay and loss. The
//! benchmark `long_lines` measures the same at higher rates, beside other programs.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use tests::content::TestContent;
use tests::far_network::FarNetwork;
use tests::long_line::{CongestionAlgorithm, LineConfig, LongLines, unavailable_reason};
use tests::network::RunningNode;
use tests::peer::run_with_input;
use tests::process::Process;
use tests::programs::programs;
use tests::test_folder::TestFolder;
use tests::third_party::{read_infohash, write_torrent};

const MBIT: u64 = 1_000_000;
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Packets lost in lossy stories, per million. At this loss, one connection that treats loss as congestion carries less
/// than 2 Mbit/s.
const LOSS_PER_MILLION: u32 = 10_000;

/// Time limit of a download as a multiple of the transfer time: more than a busy machine needs, less than one
/// connection limited by loss needs.
const TIME_LIMIT_FACTOR: u32 = 5;

/// Returns the line of a source at [`ROUND_TRIP`] from [`receiver_line`].
fn source_line(mbit: u64) -> LineConfig {
    LineConfig::new(mbit * MBIT, ROUND_TRIP / 4, ROUND_TRIP)
}

fn receiver_line() -> LineConfig {
    source_line(1000)
}

/// Returns the transfer time of content on a line.
fn transfer_time(content: &TestContent, mbit: u64) -> Duration {
    Duration::from_micros(content.size() * 8 / mbit)
}

/// Searches and downloads with a new node what the earlier hosts share, and checks the duration.
fn assert_downloads_in_time(network: &FarNetwork, host: usize, content: &TestContent, mbit: u64) {
    let folder = TestFolder::new();
    let (output, took) = network.run_script(host, &folder, &["search far", "download 1"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(folder.visible_files().get("far.bin"), Some(content));
    assert_in_time(took, content, mbit);
}

fn assert_in_time(took: Duration, content: &TestContent, mbit: u64) {
    let carried = transfer_time(content, mbit);
    eprintln!("{took:.2?} for what the lines carry in {carried:.2?}");
    assert!(took < TIME_LIMIT_FACTOR * carried, "{took:?} for what the lines carry in {carried:?}");
}

/// Downloads from one source on a lossy line in a private network.
fn assert_lossy_line_in_time(seed: u64, congestion: CongestionAlgorithm) {
    let Some(network) =
        FarNetwork::new(&[source_line(20).with_loss(LOSS_PER_MILLION), receiver_line()], congestion)
    else {
        return;
    };
    let content = TestContent::random(seed, 5_000_000);
    let _source = network.start_node(1, &[("far.bin", &content)]);
    assert_downloads_in_time(&network, 2, &content, 20);
}

#[test]
fn loss_costs_little_with_bbr() {
    assert_lossy_line_in_time(720, CongestionAlgorithm::Bbr);
}

#[test]
fn loss_costs_little_with_cubic() {
    assert_lossy_line_in_time(721, CongestionAlgorithm::Cubic);
}

#[test]
fn distant_torrent_seeder_keeps_its_rate_under_loss() {
    let lines = [source_line(20).with_loss(LOSS_PER_MILLION), receiver_line()];
    let Some(network) = FarNetwork::new(&lines, CongestionAlgorithm::Bbr) else { return };
    let content = TestContent::random(722, 5_000_000);
    let (seeding, fetching) = (TestFolder::new(), TestFolder::new());
    seeding.put("far.bin", &content);
    let announce = format!("http://{}/announce", network.tracker_address());
    let torrent = write_torrent(&seeding.path().join("far.bin"), &announce, 256 << 10).expect("a torrent");
    let mut seeder = network.lines.command(1, &programs().peer_node);
    seeder.args(["torrent", "seed", "--listen-host", "0.0.0.0", "--dir"]).arg(seeding.path()).arg(&torrent);
    seeder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _seeder = Process::spawn("a seeder", seeder);
    network.wait_for_seeders(read_infohash(&torrent), 1);
    let mut command = network.lines.command(2, &programs().peer_node);
    command.args(["torrent", "download", "--dir"]).arg(fetching.path()).arg(&torrent);
    let start = Instant::now();
    let output = run_with_input(command, "");
    let took = start.elapsed();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fetching.visible_files().get("far.bin"), Some(&content));
    assert_in_time(took, &content, 20);
}

#[test]
fn four_unequal_sources_fill_their_lines() {
    let trips = [(8, 20), (4, 50), (2, 90), (1, 130)];
    let near = Duration::from_millis(1);
    let line = |(mbit, ms): (u64, u64)| {
        let round_trip = Duration::from_millis(ms);
        LineConfig::new(mbit * MBIT, (round_trip / 2).saturating_sub(near), round_trip).with_loss(1000)
    };
    let mut lines = trips.map(line).to_vec();
    lines.push(LineConfig::new(1000 * MBIT, near, ROUND_TRIP));
    let Some(network) = FarNetwork::new(&lines, CongestionAlgorithm::Bbr) else { return };
    let content = TestContent::random(723, 5_000_000);
    let sources: Vec<RunningNode> =
        (1..=4).map(|host| network.start_node(host, &[("far.bin", &content)])).collect();
    assert_downloads_in_time(&network, 5, &content, 15);
    drop(sources);
}

#[test]
fn several_connections_fill_a_lossy_cubic_line() {
    let lines = [source_line(20).with_loss(10_000), receiver_line()];
    let Some(network) = FarNetwork::new(&lines, CongestionAlgorithm::Cubic) else { return };
    let content = TestContent::random(725, 5_000_000);
    let _source = network.start_node(1, &[("far.bin", &content)]);
    // One connection would need half a minute.
    assert_downloads_in_time(&network, 2, &content, 20);
}

#[test]
fn emulated_line_has_its_round_trip_and_rate() {
    if let Some(reason) = unavailable_reason() {
        return eprintln!("SKIPPED: {reason}, so the emulated lines are NOT tested");
    }
    let lines = LongLines::new([10, 99, 0], &[source_line(20), receiver_line()], CongestionAlgorithm::Bbr)
        .expect("two hosts");
    let address = (lines.address(0), 80);
    let listener = lines.inside(0, || TcpListener::bind(address).expect("a free port")).expect("a host");
    let bytes = TestContent::random(724, 1_000_000).bytes;
    let sent = bytes.clone();
    let sender = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(&sent).expect("a receiver");
    });
    let start = Instant::now();
    let stream = lines.inside(1, || TcpStream::connect(address)).expect("a host");
    let (mut stream, connected) = (stream.expect("a listener"), start.elapsed());
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("a sender");
    let took = start.elapsed();
    sender.join().expect("a sender");
    assert_eq!(received, bytes);
    assert!(connected >= ROUND_TRIP, "connected after {connected:?}");
    assert!(took >= ROUND_TRIP + Duration::from_millis(400), "1 MB over 20 Mbit/s in {took:?}");
    // Slow start takes several round trips, and a busy machine needs more time.
    assert!(took < Duration::from_secs(4), "1 MB over 20 Mbit/s in {took:?}");
}
