//! Signals that are no request to stop, and the limits behind some of them.

use std::process::Command;

use protocol::index::{Reply, Request};
use rustix::process::Signal;
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::network::Network;

/// What a program may get from its surroundings though nobody wants it to stop.
const MEANINGLESS: [Signal; 7] =
    [Signal::USR1, Signal::USR2, Signal::WINCH, Signal::PIPE, Signal::XFSZ, Signal::URG, Signal::CONT];

/// Sets the limit on file sizes of a process that runs, in bytes; it may be raised again.
fn limit_file_sizes(id: u32, limit: &str) {
    let limited =
        Command::new("prlimit").args(["--pid", &id.to_string(), &format!("--fsize={limit}:")]).status();
    assert!(limited.expect("prlimit").success());
}

#[test]
fn signals_that_mean_nothing_disturb_neither_program() {
    let mut network = Network::new();
    let content = Content::random(480, 3 * PIECE);
    let mut sharer = network.node(&[("a.bin", &content)]);
    for _ in 0..20 {
        for signal in MEANINGLESS {
            sharer.peer.process().signal(signal);
            network.index.signal(signal);
        }
    }
    // Sent to the background and taken back.
    for signal in [Signal::TSTP, Signal::CONT] {
        sharer.peer.process().signal(signal);
        network.index.signal(signal);
    }
    network.index.signal(Signal::HUP);
    network.node(&[]).fetch(&content);
    // A node belongs to its terminal; the index does not.
    sharer.peer.process().signal(Signal::HUP);
    assert_eq!(sharer.peer.process().wait(SOON).code(), Some(0));
    assert_eq!(network.index.stop(), Some(0));
}

#[test]
fn a_limit_on_file_sizes_fails_a_download_and_ends_no_node() {
    let mut network = Network::new();
    let (large, small) = (Content::random(481, 12 * PIECE), Content::random(482, 1000));
    let _sharer = network.node(&[("large.iso", &large), ("small.txt", &small)]);
    let mut node = network.node(&[]);
    limit_file_sizes(node.peer.process().child().id(), "2000000");
    let answer = node.peer.say(&format!("download {}", large.digest));
    assert!(answer.done().is_empty() && answer.errors().len() == 1, "{answer:#?}");
    assert!(answer.has("File too large"), "{answer:#?}");
    node.fetch(&small);
    limit_file_sizes(node.peer.process().child().id(), "unlimited");
    node.fetch(&large);
}

#[test]
fn a_limit_on_file_sizes_fails_registrations_and_ends_no_index() {
    let mut network = Network::new();
    let record = |number: u64| Content::random(number, 10).record(&format!("{number}.txt"));
    let mut session = network.index.session();
    session.register(&[record(1)]).expect("acknowledged");
    let id = network.index.id();
    limit_file_sizes(id, "0");
    let refused = session.call(Request::Register { files: vec![record(2)] });
    assert!(matches!(refused, Ok(Reply::Refused(_))), "{refused:?}");
    // What was acknowledged is found all the same.
    assert!(network.index.is_running());
    limit_file_sizes(id, "unlimited");
    until(
        "registrations to be written again",
        SOON,
        || matches!(session.call(Request::Register { files: vec![record(2)] }), Ok(Reply::List(list)) if list.files == 2),
    );
    network.index.restart();
    let mut session = network.index.session();
    let Ok(Reply::Statistics(statistics)) = session.call(Request::Statistics) else {
        panic!("no statistics")
    };
    assert_eq!(statistics.files, 2, "what was acknowledged is on disk");
}
