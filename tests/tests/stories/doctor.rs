//! The doctor: what keeps a node from working well, and what to do about it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::free_port::free_port;
use tests::namespaces::NamespaceNetwork;
use tests::network::TestNetwork;
use tests::peer::{PeerProcess, peer_node, run_script, run_with_input};
use tests::process::Process;
use tests::programs::programs;
use tests::test_folder::TestFolder;

/// Returns the line about a thing, in its fields.
fn finding_fields<'a>(said: &'a str, thing: &str) -> Vec<&'a str> {
    let mut lines = said.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines
        .find(|fields| fields.get(1) == Some(&thing))
        .unwrap_or_else(|| panic!("nothing about {thing}: {said}"))
}

#[test]
fn healthy_node_has_no_problems() {
    let network = TestNetwork::new();
    let home = TestFolder::new();
    let output = run_script(network.index.address(), home.path(), &["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(finding_fields(&said, "index")[0], "ok");
    let port = finding_fields(&said, "port");
    assert!(port[0] == "warning" && port[3].contains("--listen-host 0.0.0.0"), "{port:?}");
    assert_eq!(finding_fields(&said, "clock")[0], "ok");
    for thing in ["broadcasts", "free space", "open files"] {
        assert!(["ok", "warning"].contains(&finding_fields(&said, thing)[0]), "{said}");
    }
}

#[test]
fn missing_index_is_reported_with_a_remedy() {
    let (place, home) = (SocketAddr::from(([127, 0, 0, 1], free_port())), TestFolder::new());
    let mut command = Command::new(&programs().peer_node);
    command.args(["doctor", "0", "--index", &place.to_string(), "--share-dir"]).arg(home.path());
    let output = run_with_input(command, "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let index = finding_fields(&said, "index");
    assert!(index[0] == "problem" && index[2].contains(&place.to_string()), "{index:?}");
    assert!(index[3].contains("--index HOST:PORT"), "{index:?}");
}

#[test]
fn low_descriptor_limit_is_reported() {
    let (network, home) = (TestNetwork::new(), TestFolder::new());
    let node = peer_node(0, network.index.address(), home.path());
    let mut limited = Command::new("prlimit");
    limited.arg("--nofile=200:200").arg(node.get_program()).args(node.get_args());
    let output = run_with_input(limited, "doctor\n");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let files = finding_fields(&said, "open files");
    assert!(files[0] == "warning" && files[2] == "at most 200" && files[3].contains("ulimit"), "{files:?}");
}

#[test]
fn loopback_listener_with_a_remote_index_is_reported() {
    let Some(network) = NamespaceNetwork::new(2) else { return };
    let (data, home) = (TestFolder::new(), TestFolder::new());
    let inside = |host: usize, program: &Path| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", network.namespace(host)]).arg(program);
        command
    };
    let mut index = inside(0, &programs().index_server);
    index.args(["--listen", "10.99.0.1:1313", "--data-dir"]).arg(data.path());
    let _index = Process::spawn("index-server", index);
    let doctor = |options: &[&str]| {
        let mut doctor = inside(1, &programs().peer_node);
        doctor
            .args(["doctor", "12349", "--index", "10.99.0.1", "--share-dir"])
            .arg(home.path())
            .args(options);
        String::from_utf8_lossy(&run_with_input(doctor, "").stdout).into_owned()
    };
    let mut said = String::new();
    wait_until("the index is there", DEFAULT_TIMEOUT, || {
        said = doctor(&[]);
        finding_fields(&said, "index")[0] == "ok"
    });
    let port = finding_fields(&said, "port");
    assert!(port[0] == "problem" && port[2].contains("listens on 127.0.0.1 only"), "{port:?}");
    assert!(port[3].contains("--listen-host 0.0.0.0"), "{port:?}");
    let mut banner = inside(1, &programs().peer_node);
    banner.args(["12349", "--index", "10.99.0.1", "--share-dir"]).arg(home.path());
    let status = String::from_utf8_lossy(&run_with_input(banner, "search x\nstatus\n").stdout).into_owned();
    let seen = status.lines().find(|line| line.starts_with("seen as")).expect("how the index sees it");
    assert!(seen.contains("listens on 127.0.0.1 only; restart it with --listen-host"), "{seen}");
    let said = doctor(&["--listen-host", "10.99.0.2"]);
    assert_eq!(finding_fields(&said, "port")[0], "ok", "{said}");
}

#[test]
fn index_sees_the_node_at_its_listening_address() {
    let (mut network, home, content) =
        (TestNetwork::new(), TestFolder::new(), TestContent::random(820, 5000));
    home.put("a.bin", &content);
    let mut node = Command::new(&programs().peer_node);
    node.args(["0", "--listen-host", "127.0.0.7", "--index", &network.index.address().to_string()]);
    node.arg("--share-dir").arg(home.path()).env("NO_COLOR", "1");
    let mut peer = PeerProcess::launch(node);
    assert_eq!(peer.address().ip().to_string(), "127.0.0.7");
    network.wait_for_files(peer.address(), 1);
    network.start_node(&[]).download(&content);
    let said = peer.run("doctor").text();
    assert!(finding_fields(&said, "index")[2].contains("connected as 127.0.0.7:"), "{said}");
    assert_eq!(finding_fields(&said, "watching")[0], "ok", "{said}");
    assert_ne!(finding_fields(&said, "state folder")[0], "problem", "{said}");
}
