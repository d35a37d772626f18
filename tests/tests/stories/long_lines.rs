//! Downloads from far away: hosts in network namespaces on emulated lines with a rate, a delay and loss. The benchmark
//! `long_lines` measures the same at higher rates, beside other programs.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use tests::content::Content;
use tests::far_network::FarNetwork;
use tests::foreign::{infohash_of, write_torrent};
use tests::home::Home;
use tests::long_line::{Congestion, Line, LongLines, obstacle};
use tests::network::Node;
use tests::peer::run;
use tests::process::Process;
use tests::programs::programs;

const MBIT: u64 = 1_000_000;
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// The share of packets lost in lossy stories, per million: one connection that takes loss for congestion carries less than
/// 2 Mbit/s then.
const LOSS: u32 = 10_000;

/// How many times as long as the line needs a download may take: a busy machine does not need that, one connection held
/// back by loss needs more.
const PATIENCE: u32 = 5;

/// The line of a source at [`ROUND_TRIP`] from [`receiver`].
fn source(mbit: u64) -> Line {
    Line::new(mbit * MBIT, ROUND_TRIP / 4, ROUND_TRIP)
}

fn receiver() -> Line {
    source(1000)
}

/// Returns how long a line needs for a content.
fn carried(content: &Content, mbit: u64) -> Duration {
    Duration::from_micros(content.size() * 8 / mbit)
}

/// Has a new node search and download what the hosts before its own share, and judges the time.
fn arrives_in_time(network: &FarNetwork, host: usize, content: &Content, mbit: u64) {
    let home = Home::new();
    let (output, took) = network.script(host, &home, &["search far", "download 1"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(home.files().get("far.bin"), Some(content));
    is_in_time(took, content, mbit);
}

fn is_in_time(took: Duration, content: &Content, mbit: u64) {
    let carried = carried(content, mbit);
    eprintln!("{took:.2?} for what the lines carry in {carried:.2?}");
    assert!(took < PATIENCE * carried, "{took:?} for what the lines carry in {carried:?}");
}

/// One source on a lossy line, in a private network.
fn lossy(seed: u64, congestion: Congestion) {
    let Some(network) = FarNetwork::new(&[source(20).losing(LOSS), receiver()], congestion) else { return };
    let content = Content::random(seed, 5_000_000);
    let _source = network.node(1, &[("far.bin", &content)]);
    arrives_in_time(&network, 2, &content, 20);
}

#[test]
fn loss_costs_little_where_the_system_has_bbr() {
    lossy(720, Congestion::Bbr);
}

#[test]
fn loss_costs_little_where_the_system_has_cubic() {
    lossy(721, Congestion::Cubic);
}

#[test]
fn a_far_seeder_of_a_torrent_keeps_its_rate_under_loss() {
    let lines = [source(20).losing(LOSS), receiver()];
    let Some(network) = FarNetwork::new(&lines, Congestion::Bbr) else { return };
    let content = Content::random(722, 5_000_000);
    let (seeding, fetching) = (Home::new(), Home::new());
    seeding.put("far.bin", &content);
    let announce = format!("http://{}/announce", network.tracker());
    let torrent = write_torrent(&seeding.path().join("far.bin"), &announce, 256 << 10).expect("a torrent");
    let mut seeder = network.lines.command(1, &programs().peer_node);
    seeder.args(["torrent", "seed", "--listen-host", "0.0.0.0", "--dir"]).arg(seeding.path()).arg(&torrent);
    seeder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _seeder = Process::spawn("a seeder", seeder);
    network.wait_for_seeders(infohash_of(&torrent), 1);
    let mut command = network.lines.command(2, &programs().peer_node);
    command.args(["torrent", "download", "--dir"]).arg(fetching.path()).arg(&torrent);
    let start = Instant::now();
    let output = run(command, "");
    let took = start.elapsed();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fetching.files().get("far.bin"), Some(&content));
    is_in_time(took, &content, 20);
}

#[test]
fn four_unequal_sources_together_fill_their_lines() {
    let trips = [(8, 20), (4, 50), (2, 90), (1, 130)];
    let near = Duration::from_millis(1);
    let line = |(mbit, ms): (u64, u64)| {
        let round_trip = Duration::from_millis(ms);
        Line::new(mbit * MBIT, (round_trip / 2).saturating_sub(near), round_trip).losing(1000)
    };
    let mut lines = trips.map(line).to_vec();
    lines.push(Line::new(1000 * MBIT, near, ROUND_TRIP));
    let Some(network) = FarNetwork::new(&lines, Congestion::Bbr) else { return };
    let content = Content::random(723, 5_000_000);
    let sources: Vec<Node> = (1..=4).map(|host| network.node(host, &[("far.bin", &content)])).collect();
    arrives_in_time(&network, 5, &content, 15);
    drop(sources);
}

#[test]
fn a_lossy_line_under_cubic_is_filled_by_several_connections() {
    let lines = [source(20).losing(10_000), receiver()];
    let Some(network) = FarNetwork::new(&lines, Congestion::Cubic) else { return };
    let content = Content::random(725, 5_000_000);
    let _source = network.node(1, &[("far.bin", &content)]);
    // One connection would need half a minute.
    arrives_in_time(&network, 2, &content, 20);
}

#[test]
fn a_long_line_has_its_round_trip_and_its_rate() {
    if let Some(reason) = obstacle() {
        return eprintln!("SKIPPED: {reason}, so the emulated lines are NOT tested");
    }
    let lines = LongLines::new([10, 99, 0], &[source(20), receiver()], Congestion::Bbr).expect("two hosts");
    let address = (lines.address(0), 80);
    let listener = lines.inside(0, || TcpListener::bind(address).expect("a free port")).expect("a host");
    let bytes = Content::random(724, 1_000_000).bytes;
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
    // Slow start takes some round trips; a machine that is busy may take its time.
    assert!(took < Duration::from_secs(4), "1 MB over 20 Mbit/s in {took:?}");
}
