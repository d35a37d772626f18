//! The doctor: what keeps a node from working well, and what to do about it.

use std::net::SocketAddr;
use std::process::Command;

use tests::free_port::free_port;
use tests::home::Home;
use tests::network::Network;
use tests::peer::{peer_node, run, script};
use tests::programs::programs;

/// Returns the line about a thing, in its fields.
fn about<'a>(said: &'a str, thing: &str) -> Vec<&'a str> {
    let mut lines = said.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines
        .find(|fields| fields.get(1) == Some(&thing))
        .unwrap_or_else(|| panic!("nothing about {thing}: {said}"))
}

#[test]
fn a_node_that_is_well_is_told_so_at_its_prompt() {
    let network = Network::new();
    let home = Home::new();
    let output = script(network.index.address(), home.path(), &["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(about(&said, "index")[0], "ok");
    let port = about(&said, "port");
    assert!(port[0] == "warning" && port[3].contains("--listen-host 0.0.0.0"), "{port:?}");
    assert_eq!(about(&said, "clock")[0], "ok");
    for thing in ["broadcasts", "free space", "open files"] {
        assert!(["ok", "warning"].contains(&about(&said, thing)[0]), "{said}");
    }
}

#[test]
fn an_index_that_is_not_there_is_a_problem_with_a_remedy() {
    let (place, home) = (SocketAddr::from(([127, 0, 0, 1], free_port())), Home::new());
    let mut command = Command::new(&programs().peer_node);
    command.args(["doctor", "0", "--index", &place.to_string(), "--share-dir"]).arg(home.path());
    let output = run(command, "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let index = about(&said, "index");
    assert!(index[0] == "problem" && index[2].contains(&place.to_string()), "{index:?}");
    assert!(index[3].contains("--index HOST:PORT"), "{index:?}");
}

#[test]
fn few_descriptors_are_told() {
    let (network, home) = (Network::new(), Home::new());
    let node = peer_node(0, network.index.address(), home.path());
    let mut limited = Command::new("prlimit");
    limited.arg("--nofile=200:200").arg(node.get_program()).args(node.get_args());
    let output = run(limited, "doctor\n");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let files = about(&said, "open files");
    assert!(files[0] == "warning" && files[2] == "at most 200" && files[3].contains("ulimit"), "{files:?}");
}
