//! How many round trips it takes from the start of a node to the first block, and in a node that runs.

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

/// The address at which the sources are known: whoever connects there comes through a proxy.
const FAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A source behind a line with a delay.
struct DelayedSource {
    _peer: PeerProcess,
    _proxies: [DelayProxy; 2],
    _folder: TestFolder,
}

/// Starts a source that the index knows at the far address, where a proxy stands in front of it.
fn start_delayed_source(network: &mut TestNetwork, path: &str, content: &TestContent) -> DelayedSource {
    let (home, port) = (TestFolder::with_file(path, content), free_port());
    let near = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let far = SocketAddr::from((FAR_ADDRESS, port));
    let line =
        DelayProxy::start(far, ProxyRoute { to: near, from: Ipv4Addr::LOCALHOST, delay: ROUND_TRIP / 2 });
    let index = network.index.address();
    // Without a delay; what matters is from where the source seems to come.
    let route = ProxyRoute { to: index, from: FAR_ADDRESS, delay: Duration::ZERO };
    let to_index = DelayProxy::start((Ipv4Addr::LOCALHOST, 0).into(), route);
    let peer = PeerProcess::launch(peer_node(port, to_index.address(), home.path()));
    network.wait_for_files(far, 1);
    DelayedSource { _peer: peer, _proxies: [line, to_index], _folder: home }
}

/// A node at the end of the line, which carries commands out.
struct ScriptedNode {
    process: Process,
    input: ChildStdin,
    output: OutputLines,
}

impl ScriptedNode {
    fn start(index: SocketAddr, home: &TestFolder) -> Self {
        let mut command = peer_node(0, index, home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn("a fetcher", command);
        let (input, output) =
            (process.take_stdin(), OutputLines::collect(process.child().stdout.take().expect("a pipe")));
        Self { process, input, output }
    }

    /// Carries a command out, and waits for a line that begins so.
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

/// Asserts that something took about as long as the round trips that it may take; what the programs themselves need beside the line
/// may take one and a half more on a busy machine.
#[track_caller]
fn assert_round_trips(what: &str, took: Duration, most: u32) {
    assert!(took >= ROUND_TRIP * most, "{what}: {took:?} is less than the line takes for {most} round trips");
    let limit = ROUND_TRIP * most + ROUND_TRIP * 3 / 2;
    assert!(took <= limit, "{what}: {took:?} for {most} round trips of {ROUND_TRIP:?}, at most {limit:?}");
}

/// Through the proxies the handshakes of TCP cost nothing. What is left, from the start of the program: greeting of the index; proof
/// and search; greeting of the source with the content and its manifest; first block. With the two handshakes these are six round
/// trips. In a node that runs, the last two and one handshake are left. The files are so small that their first block is nearly all.
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
    let home = TestFolder::new();
    let begun = Instant::now();
    let mut fetcher = ScriptedNode::start(to_index.address(), &home);
    fetcher.run("search first", "1\tfirst.bin");
    fetcher.run("download 1", "done\tfirst.bin");
    assert_round_trips("from the start of the node", begun.elapsed(), 4);
    assert_eq!(home.visible_files().get("first.bin"), Some(&first));

    fetcher.run("search second", "1\tsecond.bin");
    let begun = Instant::now();
    fetcher.run("download 1", "done\tsecond.bin");
    assert_round_trips("in a running node", begun.elapsed(), 2);
    assert_eq!(home.visible_files().get("second.bin"), Some(&second));
}
