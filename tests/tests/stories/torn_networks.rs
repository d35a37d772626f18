//! A network that is torn at one place after the other while a download goes on.

use std::process::{Command, Stdio};

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::index::index_server;
use tests::lines::Lines;
use tests::namespaces::Namespaces;
use tests::network::Node;
use tests::peer::Peer;
use tests::process::Process;
use tests::programs::programs;

const MIB: u64 = 1 << 20;

/// Where the index listens, on the first host.
const INDEX: &str = "10.99.0.1:1313";

/// Makes a command run on a host.
fn on(network: &Namespaces, host: usize, program: &Command) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", network.host(host)]).arg(program.get_program()).args(program.get_args());
    command
}

/// Starts an index on the first host.
fn index(network: &Namespaces, home: &Home) -> (Process, Lines) {
    let mut command = on(network, 0, &index_server(INDEX, &home.path().join("index-data")));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn("index-server", command);
    let output = Lines::of(process.child().stdout.take().expect("a pipe"));
    output.find(0, SOON, |line| line.contains("listening on")).expect("an index that starts");
    (process, output)
}

fn node(network: &Namespaces, host: usize, files: &[(&str, &Content)], options: &[&str]) -> Node {
    let home = Home::new();
    for (path, content) in files {
        home.put(path, content);
    }
    let mut command = Command::new(&programs().peer_node);
    command.args(["12349", "--listen-host", "0.0.0.0", "--index", INDEX, "--share-dir"]).arg(home.path());
    let mut command = on(network, host, command.args(options));
    Node {
        peer: Peer::launch({
            command.env("NO_COLOR", "1");
            command
        }),
        home,
    }
}

/// Runs `ip` in the namespace of a host.
fn ip(network: &Namespaces, host: usize, arguments: &[&str]) {
    let done = Command::new("ip").args(["-n", network.host(host)]).args(arguments).status();
    assert!(done.is_ok_and(|status| status.success()), "{arguments:?}");
}

/// Breaks off all connections of one host to another, as a machine between them can; says whether there were any.
fn reset(network: &Namespaces, host: usize, other: usize) -> bool {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", network.host(host), "ss", "-H", "-K", "dst"]);
    let reset = command.arg(network.address(other).to_string()).output().expect("ss");
    !reset.stdout.is_empty()
}

fn bytes_here(node: &mut Node) -> u64 {
    node.peer.say("transfers").bytes_here().unwrap_or(0)
}

/// Waits until so many more bytes of a node's only download are here.
fn goes_on(node: &mut Node, bytes: u64) {
    let before = bytes_here(node);
    until("the download to go on", SOON, || bytes_here(node) >= before + bytes);
}

fn stands_still(node: &mut Node) {
    until("nothing to come any more", SOON, || node.peer.say("transfers").has("\t0 B/s\t"));
}

#[test]
fn a_download_outlives_every_tear_in_the_network() {
    let Some(network) = Namespaces::new(3) else { return };
    let content = Content::random(485, 128 * PIECE);
    let home = Home::new();
    let _index = index(&network, &home);
    let mut sharer = node(&network, 1, &[("film.mkv", &content)], &["--max-upload-rate", "8M"]);
    sharer.peer.shares(1);
    let mut fetcher = node(&network, 2, &[], &[]);
    until("the file to be found", SOON, || fetcher.peer.say("search film").hits().len() == 1);
    fetcher.peer.say("download 1 &");
    goes_on(&mut fetcher, 2 * MIB);

    // The two nodes do not reach each other, and nobody says so; both reach the index.
    network.isolate(&[1, 2], true);
    stands_still(&mut fetcher);
    network.isolate(&[1, 2], false);
    goes_on(&mut fetcher, 2 * MIB);

    // The index is away, which no download needs.
    network.plug(0, false);
    goes_on(&mut fetcher, 4 * MIB);
    network.plug(0, true);

    // Connections are broken off, again and again.
    for _ in 0..3 {
        if !reset(&network, 2, 1) {
            eprintln!("SKIPPED: connections cannot be broken off here, so that is NOT tested");
        }
        goes_on(&mut fetcher, MIB);
    }

    // The cable is pulled and put back, and the network takes only short packets from now on.
    for state in ["down", "up", "down", "up"] {
        ip(&network, 2, &["link", "set", "lan0", state]);
    }
    for host in [1, 2] {
        ip(&network, host, &["link", "set", "lan0", "mtu", "576"]);
    }
    goes_on(&mut fetcher, MIB);
    sharer.peer.say("limit up off");
    let answer = fetcher.peer.say(&format!("download {}", content.digest));
    assert!(answer.done().len() == 1 || answer.has("already here"), "{answer:#?}");
    fetcher.has(&content);
    let sent = sharer.sent();
    assert!(sent <= content.size() + 16 * MIB, "{sent} bytes for {}", content.size());
}
