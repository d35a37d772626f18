//! How many round trips it takes from the start of a node to the first block, and in a node that runs.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use tests::content::{Content, PIECE};
use tests::delay_proxy::{DelayProxy, Route};
use tests::eventually::SOON;
use tests::free_port::free_port;
use tests::home::Home;
use tests::lines::Lines;
use tests::network::Network;
use tests::peer::{Peer, peer_node};
use tests::process::Process;

/// One round trip.
const ROUND_TRIP: Duration = Duration::from_millis(800);

/// The address at which the sources are known: whoever connects there comes through a proxy.
const FAR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A source behind a line with a delay.
struct FarSource {
    _peer: Peer,
    _proxies: [DelayProxy; 2],
    _home: Home,
}

/// Starts a source that the index knows at the far address, where a proxy stands in front of it.
fn far_source(network: &mut Network, path: &str, content: &Content) -> FarSource {
    let (home, port) = (Home::with(path, content), free_port());
    let near = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let far = SocketAddr::from((FAR, port));
    let line = DelayProxy::start(far, Route { to: near, from: Ipv4Addr::LOCALHOST, delay: ROUND_TRIP / 2 });
    let index = network.index.address();
    // Without a delay; what matters is from where the source seems to come.
    let route = Route { to: index, from: FAR, delay: Duration::ZERO };
    let to_index = DelayProxy::start((Ipv4Addr::LOCALHOST, 0).into(), route);
    let peer = Peer::launch(peer_node(port, to_index.address(), home.path()));
    network.wait_for_files(far, 1);
    FarSource { _peer: peer, _proxies: [line, to_index], _home: home }
}

/// A node at the end of the line, which carries commands out.
struct Fetcher {
    process: Process,
    input: ChildStdin,
    output: Lines,
}

impl Fetcher {
    fn start(index: SocketAddr, home: &Home) -> Self {
        let mut command = peer_node(0, index, home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn("a fetcher", command);
        let (input, output) =
            (process.take_stdin(), Lines::of(process.child().stdout.take().expect("a pipe")));
        Self { process, input, output }
    }

    /// Carries a command out, and waits for a line that begins so.
    fn say(&mut self, command: &str, begins: &str) {
        let from = self.output.count();
        writeln!(self.input, "{command}").expect("an open standard input");
        let found = self.output.find(from, SOON, |line| line.starts_with(begins));
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
fn a_download_begins_within_six_round_trips_or_three_in_a_running_node() {
    let mut network = Network::new();
    let [first, second] = [171, 172].map(|seed| Content::random(seed, PIECE + 5));
    let _sources =
        [far_source(&mut network, "first.bin", &first), far_source(&mut network, "second.bin", &second)];
    let route = Route { to: network.index.address(), from: Ipv4Addr::LOCALHOST, delay: ROUND_TRIP / 2 };
    let to_index = DelayProxy::start((Ipv4Addr::LOCALHOST, 0).into(), route);
    let home = Home::new();
    let begun = Instant::now();
    let mut fetcher = Fetcher::start(to_index.address(), &home);
    fetcher.say("search first", "1\tfirst.bin");
    fetcher.say("download 1", "done\tfirst.bin");
    assert_round_trips("from the start of the node", begun.elapsed(), 4);
    assert_eq!(home.files().get("first.bin"), Some(&first));

    fetcher.say("search second", "1\tsecond.bin");
    let begun = Instant::now();
    fetcher.say("download 1", "done\tsecond.bin");
    assert_round_trips("in a running node", begun.elapsed(), 2);
    assert_eq!(home.files().get("second.bin"), Some(&second));
}
