//! Network partitions at one place after another during a download.

use std::process::{Command, Stdio};
use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::index_server;
use tests::namespaces::NamespaceNetwork;
use tests::network::RunningNode;
use tests::output_lines::OutputLines;
use tests::process::Process;
use tests::programs::programs;
use tests::test_folder::TestFolder;

const MIB: u64 = 1 << 20;

/// The address of the index, on the first host.
const INDEX_ADDRESS: &str = "10.99.0.1:1313";

/// Wraps a command so that it runs on a host.
fn command_on_host(network: &NamespaceNetwork, host: usize, program: &Command) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", network.namespace(host)])
        .arg(program.get_program())
        .args(program.get_args());
    command
}

/// Starts an index on the first host.
fn start_index(network: &NamespaceNetwork, folder: &TestFolder) -> (Process, OutputLines) {
    let mut command =
        command_on_host(network, 0, &index_server(INDEX_ADDRESS, &folder.path().join("index-data")));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn("index-server", command);
    let output = OutputLines::collect(process.child().stdout.take().expect("a pipe"));
    output.find(0, DEFAULT_TIMEOUT, |line| line.contains("listening on")).expect("the index starts");
    (process, output)
}

fn start_node(
    network: &NamespaceNetwork,
    host: usize,
    files: &[(&str, &TestContent)],
    options: &[&str],
) -> RunningNode {
    RunningNode::launch(files, |folder| {
        let mut command = Command::new(&programs().peer_node);
        command.args(["12349", "--listen-host", "0.0.0.0", "--index", INDEX_ADDRESS, "--share-dir"]);
        let mut command = command_on_host(network, host, command.arg(folder).args(options));
        command.env("NO_COLOR", "1");
        command
    })
}

/// Runs `ip` in the namespace of a host.
fn ip(network: &NamespaceNetwork, host: usize, arguments: &[&str]) {
    let done = Command::new("ip").args(["-n", network.namespace(host)]).args(arguments).status();
    assert!(done.is_ok_and(|status| status.success()), "{arguments:?}");
}

/// Resets all connections from one host to another, as a middlebox can. Returns false if there were none.
fn reset_connections(network: &NamespaceNetwork, host: usize, other: usize) -> bool {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", network.namespace(host), "ss", "-H", "-K", "dst"]);
    let reset = command.arg(network.address(other).to_string()).output().expect("ss");
    !reset.stdout.is_empty()
}

fn bytes_verified(node: &mut RunningNode) -> u64 {
    node.peer.run("transfers").bytes_verified().unwrap_or(0)
}

/// Waits until `bytes` more bytes of a node's only download are verified.
fn wait_for_progress(node: &mut RunningNode, bytes: u64) {
    wait_for_progress_within(node, bytes, DEFAULT_TIMEOUT);
}

fn wait_for_progress_within(node: &mut RunningNode, bytes: u64, limit: Duration) {
    let before = bytes_verified(node);
    wait_until("the download to progress", limit, || bytes_verified(node) >= before + bytes);
}

fn assert_stalled(node: &mut RunningNode) {
    wait_until("the download to stall", DEFAULT_TIMEOUT, || node.peer.run("transfers").contains("\t0 B/s\t"));
}

#[test]
fn download_survives_every_network_partition() {
    let Some(network) = NamespaceNetwork::new(3) else { return };
    let content = TestContent::random(485, 128 * PIECE_LENGTH);
    let folder = TestFolder::new();
    let _index = start_index(&network, &folder);
    let mut sharer = start_node(&network, 1, &[("film.mkv", &content)], &["--max-upload-rate", "8M"]);
    sharer.peer.wait_for_shared_files(1);
    let mut fetcher = start_node(&network, 2, &[], &[]);
    wait_until("the search to find the file", DEFAULT_TIMEOUT, || {
        fetcher.peer.run("search film").hits().len() == 1
    });
    fetcher.peer.run("download 1 &");
    wait_for_progress(&mut fetcher, 2 * MIB);

    // The two nodes cannot reach each other, and no error reports it; both reach the index.
    network.set_isolated(&[1, 2], true);
    assert_stalled(&mut fetcher);
    network.set_isolated(&[1, 2], false);
    wait_for_progress(&mut fetcher, 2 * MIB);

    // The index is unreachable, which a running download does not need.
    network.set_plugged(0, false);
    wait_for_progress(&mut fetcher, 4 * MIB);
    network.set_plugged(0, true);

    // Connections are reset repeatedly.
    for _ in 0..3 {
        if !reset_connections(&network, 2, 1) {
            eprintln!("SKIPPED: connections cannot be reset here, so that is NOT tested");
        }
        wait_for_progress(&mut fetcher, MIB);
    }

    // The cable is pulled and put back, and then the network carries only short packets.
    for state in ["down", "up", "down", "up"] {
        ip(&network, 2, &["link", "set", "lan0", state]);
    }
    for host in [1, 2] {
        ip(&network, host, &["link", "set", "lan0", "mtu", "576"]);
    }
    wait_for_progress(&mut fetcher, MIB);
    sharer.peer.run("limit up off");
    let answer = fetcher.peer.run(&format!("download {}", content.digest));
    assert!(answer.completed_downloads().len() == 1 || answer.contains("already here"), "{answer:#?}");
    fetcher.path_of(&content);
    let sent = sharer.bytes_sent();
    assert!(sent <= content.size() + 16 * MIB, "{sent} bytes for {}", content.size());
}

#[test]
fn changed_addresses_are_registered_and_the_download_continues() {
    let Some(network) = NamespaceNetwork::new(3) else { return };
    let content = TestContent::random(486, 64 * PIECE_LENGTH);
    let folder = TestFolder::new();
    let _index = start_index(&network, &folder);
    let mut sharer = start_node(&network, 1, &[("film.mkv", &content)], &["--max-upload-rate", "1M"]);
    sharer.peer.wait_for_shared_files(1);
    let mut fetcher = start_node(&network, 2, &[], &[]);
    wait_until("the search to find the file", DEFAULT_TIMEOUT, || {
        fetcher.peer.run("search film").hits().len() == 1
    });
    fetcher.peer.run("download 1 &");
    wait_for_progress(&mut fetcher, 2 * MIB);
    // First the source gets another address, as a laptop in another network does, then the downloading node.
    for (host, new) in [(1, "10.99.0.41"), (2, "10.99.0.42")] {
        let old = format!("{}/24", network.address(host));
        ip(&network, host, &["addr", "add", &format!("{new}/24"), "dev", "lan0"]);
        ip(&network, host, &["addr", "del", &old, "dev", "lan0"]);
        // Deleting the first address of a network deletes the others too, unless the kernel promotes them.
        let _ = Command::new("ip")
            .args(["-n", network.namespace(host), "addr", "add", &format!("{new}/24"), "dev", "lan0"])
            .stderr(Stdio::null())
            .status();
        wait_for_progress_within(&mut fetcher, 2 * MIB, 2 * DEFAULT_TIMEOUT);
        let node = if host == 1 { &mut sharer } else { &mut fetcher };
        wait_until("the new address to be registered", 2 * DEFAULT_TIMEOUT, || {
            node.peer.run("status").contains(new)
        });
    }
    sharer.peer.run("limit up off");
    let answer = fetcher.peer.run(&format!("download {}", content.digest));
    assert!(answer.completed_downloads().len() == 1 || answer.contains("already here"), "{answer:#?}");
    fetcher.path_of(&content);
}
