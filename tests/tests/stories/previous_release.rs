//! Nodes and indexes of release 0.1.0 work with those of this release, in both roles.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use tests::content::{Content, PIECE};
use tests::free_port::free_port;
use tests::home::Home;
use tests::index::Index;
use tests::network::Network;
use tests::peer::{peer_node_of, run};
use tests::previous_release::previous_release;
use tests::process::Process;
use tests::programs::{Programs, programs};

/// A node that shares a file for as long as it is held.
struct Sharer {
    _process: Process,
    _input: std::process::ChildStdin,
    _home: Home,
}

fn share(network: &mut Network, release: &Programs, path: &str, content: &Content) -> Sharer {
    let (home, port) = (Home::with(path, content), free_port());
    let mut command = peer_node_of(release, port, network.index.address(), home.path());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::spawn("a sharer", command);
    let input = process.take_stdin();
    network.wait_for_files(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), 1);
    Sharer { _process: process, _input: input, _home: home }
}

/// Fetches contents with a fresh node of a release.
fn fetch(network: &Network, release: &Programs, contents: &[(&str, &Content)]) {
    let home = Home::new();
    let command: Command = peer_node_of(release, 0, network.index.address(), home.path());
    let script: Vec<String> =
        contents.iter().map(|(path, _)| format!("search {path}\ndownload 1\n")).collect();
    let output = run(command, &script.concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for (path, content) in contents {
        assert_eq!(home.files().get(*path), Some(*content), "{path}: {out}{err}");
    }
}

#[test]
fn both_releases_fetch_from_both_at_an_index_of_either() {
    let Some(previous) = previous_release() else { return };
    let releases = [&previous, programs()];
    let [old, new] = [181, 182].map(|seed| Content::random(seed, 5 * PIECE + 3));
    for of_index in releases {
        let mut network = Network::around(Index::start_of(of_index));
        let _sharers = [
            share(&mut network, &previous, "old.bin", &old),
            share(&mut network, programs(), "new.bin", &new),
        ];
        for of_fetcher in releases {
            fetch(&network, of_fetcher, &[("old.bin", &old), ("new.bin", &new)]);
        }
    }
}
