//! Neighbours that send nothing, or not the requested pieces: none is disconnected, and everything is downloaded from
//! others.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::configured_group::ConfiguredGroup;
use tests::content::TestContent;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::raw_neighbour::{RawNeighbour, kind};
use tests::third_party::ClientProcess;

const PIECE_LENGTH: usize = 1_000;
const ALL_PIECES: u8 = 0b1111_1100;

/// A group with a file of six pieces.
fn group(seed: u64, has_file: &[bool]) -> ConfiguredGroup {
    ConfiguredGroup::new(TestContent::random(seed, 5_007), 1_000, has_file)
}

fn listen(group: &ConfiguredGroup, id: u32) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, group.port(id))).expect("a free port")
}

/// Accepts a connection from our program and acts as a seed that unchokes it as soon as it is interested.
fn accept_as_seed(listener: &TcpListener, id: u32) -> RawNeighbour {
    let mut seed = RawNeighbour::accept(listener, false);
    seed.read_handshake();
    seed.send_handshake(id);
    seed.send(kind::BITFIELD, &[ALL_PIECES]);
    seed.expect(kind::BITFIELD, &[0]);
    seed.expect(kind::INTERESTED, &[]);
    seed.send(kind::UNCHOKE, &[]);
    seed
}

/// Waits for a request, skipping have messages, and returns the piece.
fn next_requested_piece(seed: &mut RawNeighbour) -> u32 {
    loop {
        match seed.receive().expect("a request") {
            (kind::REQUEST, number) => return u32::from_be_bytes(number.try_into().expect("a number")),
            (kind::HAVE, _) => {}
            other => panic!("expected a request, got {other:?}"),
        }
    }
}

fn send_piece(group: &ConfiguredGroup, seed: &mut RawNeighbour, number: u32) {
    let bytes = group.content().bytes.chunks(PIECE_LENGTH).nth(number as usize).expect("an existing piece");
    seed.send(kind::PIECE, &[&number.to_be_bytes(), bytes].concat());
}

fn assert_success(mut peer: ClientProcess) {
    let status = peer.process().wait(DEFAULT_TIMEOUT);
    assert!(status.success(), "{status}: {}", peer.output().text());
}

#[test]
fn lost_request_is_repeated_on_the_same_connection() {
    let group = group(640, &[true, false]);
    let listener = listen(&group, 1001);
    let ours = group.start(1002, &[]);
    let mut seed = accept_as_seed(&listener, 1001);
    let lost = next_requested_piece(&mut seed);
    let start = Instant::now();
    assert_eq!(next_requested_piece(&mut seed), lost, "repeated");
    let waited = start.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    // Both requests are answered: the first answer counts, and the second does no harm.
    send_piece(&group, &mut seed, lost);
    send_piece(&group, &mut seed, lost);
    for _ in 1..6 {
        let number = next_requested_piece(&mut seed);
        send_piece(&group, &mut seed, number);
    }
    seed.wait_for_close();
    assert_success(ours);
    group.assert_only_file(1002);
}

#[test]
fn pieces_of_a_silent_seed_are_fetched_elsewhere() {
    let group = group(641, &[true, true, false]);
    let (first, second) = (listen(&group, 1001), listen(&group, 1002));
    let ours = group.start(1003, &[]);
    let mut silent = accept_as_seed(&first, 1001);
    let owed = next_requested_piece(&mut silent);
    let mut honest = accept_as_seed(&second, 1002);
    let start = Instant::now();
    let mut given = Vec::new();
    while given.len() < 6 {
        let number = next_requested_piece(&mut honest);
        send_piece(&group, &mut honest, number);
        given.push(number);
    }
    assert!(given.contains(&owed) && start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    // The silent seed receives all have messages over its connection.
    let mut haves = 0;
    while haves < 6 {
        let (message_kind, _) = silent.receive().expect("the connection is open");
        haves += u32::from(message_kind == kind::HAVE);
    }
    honest.wait_for_close();
    drop(silent);
    assert_success(ours);
    group.assert_only_file(1003);
}

#[test]
fn silent_neighbour_is_reported_with_the_option_to_try() {
    let group = group(642, &[true, false]);
    let mut ours = group.start(1001, &[]);
    let mut silent = RawNeighbour::connect(group.port(1001), true);
    silent.send_handshake(1002);
    silent.read_handshake();
    let word = "waiting\tconnected but silent: 1002 (try --framing exclusive)";
    let reported = ours.output().find(0, DEFAULT_TIMEOUT, |line| line == word);
    assert!(reported.is_some(), "{}", ours.output().text());
    ours.process().signal(Signal::INT);
    assert_eq!(ours.process().wait(DEFAULT_TIMEOUT).code(), Some(130));
}

#[test]
fn silent_neighbour_is_addressed_in_the_framing_of_others() {
    let group = group(643, &[true, false, false]);
    let _ours = group.start(1001, &[]);
    let mut talker = RawNeighbour::connect(group.port(1001), true);
    talker.send_handshake(1002);
    talker.read_handshake();
    talker.send(kind::INTERESTED, &[]);
    talker.expect(kind::BITFIELD, &[ALL_PIECES]);
    let mut silent = RawNeighbour::connect(group.port(1001), true);
    silent.send_handshake(1003);
    silent.read_handshake();
    silent.expect(kind::BITFIELD, &[ALL_PIECES]);
    silent.send(kind::INTERESTED, &[]);
    silent.expect(kind::UNCHOKE, &[]);
}
