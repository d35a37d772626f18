//! Nodes and indexes of release 0.1.0 interoperate with those of this release, in both roles.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::free_port::free_port;
use tests::index::IndexProcess;
use tests::network::TestNetwork;
use tests::peer::{peer_node_of, run_with_input};
use tests::previous_release::previous_release;
use tests::process::Process;
use tests::programs::{Programs, programs};
use tests::test_folder::TestFolder;

/// A node that shares a file until it is dropped.
struct ReleaseNode {
    _process: Process,
    _input: std::process::ChildStdin,
    _folder: TestFolder,
}

fn share_with_release(
    network: &mut TestNetwork,
    release: &Programs,
    path: &str,
    content: &TestContent,
) -> ReleaseNode {
    let (folder, port) = (TestFolder::with_file(path, content), free_port());
    let mut command = peer_node_of(release, port, network.index.address(), folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::spawn("a sharer", command);
    let input = process.take_stdin();
    network.wait_for_files(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), 1);
    ReleaseNode { _process: process, _input: input, _folder: folder }
}

/// Downloads files with a new node of a release.
fn download_with_release(network: &TestNetwork, release: &Programs, contents: &[(&str, &TestContent)]) {
    let folder = TestFolder::new();
    let command: Command = peer_node_of(release, 0, network.index.address(), folder.path());
    let script: Vec<String> =
        contents.iter().map(|(path, _)| format!("search {path}\ndownload 1\n")).collect();
    let output = run_with_input(command, &script.concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for (path, content) in contents {
        assert_eq!(folder.visible_files().get(*path), Some(*content), "{path}: {out}{err}");
    }
}

#[test]
fn releases_interoperate_at_an_index_of_either() {
    let Some(previous) = previous_release() else { return };
    let releases = [&previous, programs()];
    let [old, new] = [181, 182].map(|seed| TestContent::random(seed, 5 * PIECE_LENGTH + 3));
    for index_release in releases {
        let mut network = TestNetwork::with_index(IndexProcess::start_release(index_release));
        let _sharers = [
            share_with_release(&mut network, &previous, "old.bin", &old),
            share_with_release(&mut network, programs(), "new.bin", &new),
        ];
        for node_release in releases {
            download_with_release(&network, node_release, &[("old.bin", &old), ("new.bin", &new)]);
        }
    }
}
