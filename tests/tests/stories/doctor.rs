//! The doctor: problems that keep a node from working well, and their remedies.

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

/// Returns the fields of the line about `topic`.
fn finding_fields<'a>(report: &'a str, topic: &str) -> Vec<&'a str> {
    let mut lines = report.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines
        .find(|fields| fields.get(1) == Some(&topic))
        .unwrap_or_else(|| panic!("nothing about {topic}: {report}"))
}

#[test]
fn healthy_node_has_no_problems() {
    let network = TestNetwork::new();
    let folder = TestFolder::new();
    let output = run_script(network.index.address(), folder.path(), &["doctor"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(finding_fields(&report, "index")[0], "ok");
    let port = finding_fields(&report, "port");
    assert!(port[0] == "warning" && port[3].contains("--listen-host 0.0.0.0"), "{port:?}");
    assert_eq!(finding_fields(&report, "clock")[0], "ok");
    for topic in ["broadcasts", "free space", "open files"] {
        assert!(["ok", "warning"].contains(&finding_fields(&report, topic)[0]), "{report}");
    }
}

#[test]
fn missing_index_is_reported_with_a_remedy() {
    let (address, folder) = (SocketAddr::from(([127, 0, 0, 1], free_port())), TestFolder::new());
    let mut command = Command::new(&programs().peer_node);
    command.args(["doctor", "0", "--index", &address.to_string(), "--share-dir"]).arg(folder.path());
    let output = run_with_input(command, "");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let index = finding_fields(&report, "index");
    assert!(index[0] == "problem" && index[2].contains(&address.to_string()), "{index:?}");
    assert!(index[3].contains("--index HOST:PORT"), "{index:?}");
}

#[test]
fn low_descriptor_limit_is_reported() {
    let (network, folder) = (TestNetwork::new(), TestFolder::new());
    let node = peer_node(0, network.index.address(), folder.path());
    let mut limited = Command::new("prlimit");
    limited.arg("--nofile=200:200").arg(node.get_program()).args(node.get_args());
    let output = run_with_input(limited, "doctor\n");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let files = finding_fields(&report, "open files");
    assert!(files[0] == "warning" && files[2] == "at most 200" && files[3].contains("ulimit"), "{files:?}");
}

#[test]
fn loopback_listener_with_a_remote_index_is_reported() {
    let Some(network) = NamespaceNetwork::new(2) else { return };
    let (data, folder) = (TestFolder::new(), TestFolder::new());
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
            .arg(folder.path())
            .args(options);
        String::from_utf8_lossy(&run_with_input(doctor, "").stdout).into_owned()
    };
    let mut report = String::new();
    wait_until("the index to accept connections", DEFAULT_TIMEOUT, || {
        report = doctor(&[]);
        finding_fields(&report, "index")[0] == "ok"
    });
    let port = finding_fields(&report, "port");
    assert!(port[0] == "problem" && port[2].contains("listens on 127.0.0.1 only"), "{port:?}");
    assert!(port[3].contains("--listen-host 0.0.0.0"), "{port:?}");
    let mut banner = inside(1, &programs().peer_node);
    banner.args(["12349", "--index", "10.99.0.1", "--share-dir"]).arg(folder.path());
    let status = String::from_utf8_lossy(&run_with_input(banner, "search x\nstatus\n").stdout).into_owned();
    let seen = status.lines().find(|line| line.starts_with("seen as")).expect("the seen address");
    assert!(seen.contains("listens on 127.0.0.1 only; restart it with --listen-host"), "{seen}");
    let report = doctor(&["--listen-host", "10.99.0.2"]);
    assert_eq!(finding_fields(&report, "port")[0], "ok", "{report}");
}

#[test]
fn index_sees_the_node_at_its_listening_address() {
    let (mut network, folder, content) =
        (TestNetwork::new(), TestFolder::new(), TestContent::random(820, 5000));
    folder.put("a.bin", &content);
    let mut node = Command::new(&programs().peer_node);
    node.args(["0", "--listen-host", "127.0.0.7", "--index", &network.index.address().to_string()]);
    node.arg("--share-dir").arg(folder.path()).env("NO_COLOR", "1");
    let mut peer = PeerProcess::launch(node);
    assert_eq!(peer.address().ip().to_string(), "127.0.0.7");
    network.wait_for_files(peer.address(), 1);
    network.start_node(&[]).download(&content);
    let report = peer.run("doctor").text();
    assert!(finding_fields(&report, "index")[2].contains("connected as 127.0.0.7:"), "{report}");
    assert_eq!(finding_fields(&report, "watching")[0], "ok", "{report}");
    assert_ne!(finding_fields(&report, "state folder")[0], "problem", "{report}");
}
