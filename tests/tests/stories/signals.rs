//! Signals that do not ask a program to stop, and the limits behind some of them.

use std::process::Command;

use protocol::index::{Reply, Request};
use rustix::process::Signal;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;

/// Signals that a program may get from its environment and must survive.
const IGNORED_SIGNALS: [Signal; 7] =
    [Signal::USR1, Signal::USR2, Signal::WINCH, Signal::PIPE, Signal::XFSZ, Signal::URG, Signal::CONT];

/// Sets the file size limit of a running process in bytes; the limit can be raised again.
fn limit_file_sizes(id: u32, limit: &str) {
    let limited =
        Command::new("prlimit").args(["--pid", &id.to_string(), &format!("--fsize={limit}:")]).status();
    assert!(limited.expect("prlimit").success());
}

#[test]
fn ignored_signals_disturb_neither_program() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(480, 3 * PIECE_LENGTH);
    let mut sharer = network.start_node(&[("a.bin", &content)]);
    for _ in 0..20 {
        for signal in IGNORED_SIGNALS {
            sharer.peer.process().signal(signal);
            network.index.signal(signal);
        }
    }
    // Sent to the background and back to the foreground.
    for signal in [Signal::TSTP, Signal::CONT] {
        sharer.peer.process().signal(signal);
        network.index.signal(signal);
    }
    network.index.signal(Signal::HUP);
    network.start_node(&[]).download(&content);
    // A closed terminal ends a node but not the index.
    sharer.peer.process().signal(Signal::HUP);
    assert_eq!(sharer.peer.process().wait(DEFAULT_TIMEOUT).code(), Some(0));
    assert_eq!(network.index.stop(), Some(0));
}

#[test]
fn file_size_limit_fails_a_download_but_not_the_node() {
    let mut network = TestNetwork::new();
    let (large, small) = (TestContent::random(481, 12 * PIECE_LENGTH), TestContent::random(482, 1000));
    let _sharer = network.start_node(&[("large.iso", &large), ("small.txt", &small)]);
    let mut node = network.start_node(&[]);
    limit_file_sizes(node.peer.process().child().id(), "2000000");
    let answer = node.peer.run(&format!("download {}", large.digest));
    assert!(answer.completed_downloads().is_empty() && answer.errors().len() == 1, "{answer:#?}");
    assert!(answer.contains("File too large"), "{answer:#?}");
    node.download(&small);
    limit_file_sizes(node.peer.process().child().id(), "unlimited");
    node.download(&large);
}

#[test]
fn file_size_limit_fails_registrations_but_not_the_index() {
    let mut network = TestNetwork::new();
    let record = |number: u64| TestContent::random(number, 10).file_record(&format!("{number}.txt"));
    let mut session = network.index.session();
    session.register(&[record(1)]).expect("acknowledged");
    let id = network.index.pid();
    limit_file_sizes(id, "0");
    let refused = session.call(Request::Register { files: vec![record(2)] });
    assert!(matches!(refused, Ok(Reply::Refused(_))), "{refused:?}");
    // Acknowledged files are still found.
    assert!(network.index.is_running());
    limit_file_sizes(id, "unlimited");
    wait_until(
        "registrations to be written again",
        DEFAULT_TIMEOUT,
        || matches!(session.call(Request::Register { files: vec![record(2)] }), Ok(Reply::List(list)) if list.files == 2),
    );
    network.index.restart();
    let mut session = network.index.session();
    let Ok(Reply::Statistics(statistics)) = session.call(Request::Statistics) else {
        panic!("no statistics")
    };
    assert_eq!(statistics.files, 2, "acknowledged files are on disk");
}
