//! Round trips from the start of a node to the first block, and in a running node.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::delay_proxy::{DelayProxy, ProxyRoute};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::free_port::free_port;
use tests::network::TestNetwork;
use tests::output_lines::OutputLines;
use tests::peer::{PeerProcess, peer_node};
use tests::process::Process;
use tests::test_folder::TestFolder;

/// One round trip.
const ROUND_TRIP: Duration = Duration::from_millis(800);

/// The address at which the index lists the sources; connections to it pass through a proxy.
const FAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A source on a line with a delay.
struct DelayedSource {
    _peer: PeerProcess,
    _proxies: [DelayProxy; 2],
    _folder: TestFolder,
}

/// Starts a source that the index lists at the far address, behind a proxy.
fn start_delayed_source(network: &mut TestNetwork, path: &str, content: &TestContent) -> DelayedSource {
    let (folder, port) = (TestFolder::with_file(path, content), free_port());
    let near = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let far = SocketAddr::from((FAR_ADDRESS, port));
    let line =
        DelayProxy::start(far, ProxyRoute { to: near, from: Ipv4Addr::LOCALHOST, delay: ROUND_TRIP / 2 });
    let index = network.index.address();
    // Without a delay: only the source address of the connection matters.
    let route = ProxyRoute { to: index, from: FAR_ADDRESS, delay: Duration::ZERO };
    let to_index = DelayProxy::start((Ipv4Addr::LOCALHOST, 0).into(), route);
    let peer = PeerProcess::launch(peer_node(port, to_index.address(), folder.path()));
    network.wait_for_files(far, 1);
    DelayedSource { _peer: peer, _proxies: [line, to_index], _folder: folder }
}

/// A node at the end of the line that runs commands.
struct ScriptedNode {
    process: Process,
    input: ChildStdin,
    output: OutputLines,
}

impl ScriptedNode {
    fn start(index: SocketAddr, folder: &TestFolder) -> Self {
        let mut command = peer_node(0, index, folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn("a fetcher", command);
        let (input, output) =
            (process.take_stdin(), OutputLines::collect(process.child().stdout.take().expect("a pipe")));
        Self { process, input, output }
    }

    /// Runs a command and waits for a line that begins with `begins`.
    fn run(&mut self, command: &str, begins: &str) {
        let from = self.output.line_count();
        writeln!(self.input, "{command}").expect("an open standard input");
        let found = self.output.find(from, DEFAULT_TIMEOUT, |line| line.starts_with(begins));
        assert!(
            found.is_some(),
            "{command}: {:?}, running: {}",
            self.output.text(),
            self.process.is_running()
        );
    }
}

/// Asserts that a duration matches the permitted round trips. The programs themselves may need one and a half more on a
/// busy machine.
#[track_caller]
fn assert_round_trips(what: &str, took: Duration, most: u32) {
    assert!(took >= ROUND_TRIP * most, "{what}: {took:?} is less than the line takes for {most} round trips");
    let limit = ROUND_TRIP * most + ROUND_TRIP * 3 / 2;
    assert!(took <= limit, "{what}: {took:?} for {most} round trips of {ROUND_TRIP:?}, at most {limit:?}");
}

/// The proxies hide the round trips of the TCP handshakes. From the start of the program these remain: greeting of the
/// index; proof and search; greeting of the source with the content and its manifest; first block. With the two TCP
/// handshakes that makes six round trips. A running node needs only the last two and one handshake. The files are so
/// small that they consist of little more than the first block.
#[test]
fn first_block_arrives_within_six_round_trips() {
    let mut network = TestNetwork::new();
    let [first, second] = [171, 172].map(|seed| TestContent::random(seed, PIECE_LENGTH + 5));
    let _sources = [
        start_delayed_source(&mut network, "first.bin", &first),
        start_delayed_source(&mut network, "second.bin", &second),
    ];
    let route = ProxyRoute { to: network.index.address(), from: Ipv4Addr::LOCALHOST, delay: ROUND_TRIP / 2 };
    let to_index = DelayProxy::start((Ipv4Addr::LOCALHOST, 0).into(), route);
    let folder = TestFolder::new();
    let start = Instant::now();
    let mut fetcher = ScriptedNode::start(to_index.address(), &folder);
    fetcher.run("search first", "1\tfirst.bin");
    fetcher.run("download 1", "done\tfirst.bin");
    assert_round_trips("from the start of the node", start.elapsed(), 4);
    assert_eq!(folder.visible_files().get("first.bin"), Some(&first));

    fetcher.run("search second", "1\tsecond.bin");
    let start = Instant::now();
    fetcher.run("download 1", "done\tsecond.bin");
    assert_round_trips("in a running node", start.elapsed(), 2);
    assert_eq!(folder.visible_files().get("second.bin"), Some(&second));
}
