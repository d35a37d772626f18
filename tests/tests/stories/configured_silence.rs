//! Neighbours that send nothing, or not what they were asked for: nobody is cut off, and everything is fetched elsewhere.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::content::Content;
use tests::eventually::SOON;
use tests::foreign::Running;
use tests::group::Group;
use tests::raw_neighbour::{RawNeighbour, kind};

const PIECE: usize = 1_000;
const ALL: u8 = 0b1111_1100;

/// A group with a file of six pieces.
fn group(seed: u64, has_file: &[bool]) -> Group {
    Group::new(Content::random(seed, 5_007), 1_000, has_file)
}

fn listen(group: &Group, id: u32) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, group.port(id))).expect("a free port")
}

/// Accepts one of ours as a seed that unchokes it as soon as it is interested.
fn seed(listener: &TcpListener, id: u32) -> RawNeighbour {
    let mut seed = RawNeighbour::accept(listener, false);
    seed.greeted();
    seed.greet(id);
    seed.send(kind::BITFIELD, &[ALL]);
    seed.expect(kind::BITFIELD, &[0]);
    seed.expect(kind::INTERESTED, &[]);
    seed.send(kind::UNCHOKE, &[]);
    seed
}

/// Waits for a request, past haves; returns the piece.
fn requested(seed: &mut RawNeighbour) -> u32 {
    loop {
        match seed.hear().expect("a request") {
            (kind::REQUEST, number) => return u32::from_be_bytes(number.try_into().expect("a number")),
            (kind::HAVE, _) => {}
            other => panic!("{other:?} instead of a request"),
        }
    }
}

fn send_piece(group: &Group, seed: &mut RawNeighbour, number: u32) {
    let bytes = group.content().bytes.chunks(PIECE).nth(number as usize).expect("a piece that exists");
    seed.send(kind::PIECE, &[&number.to_be_bytes(), bytes].concat());
}

fn ends_well(mut peer: Running) {
    let status = peer.process().wait(SOON);
    assert!(status.success(), "{status}: {}", peer.output().text());
}

#[test]
fn one_that_loses_a_request_is_asked_again_over_the_same_connection() {
    let group = group(640, &[true, false]);
    let listener = listen(&group, 1001);
    let ours = group.start(1002, &[]);
    let mut seed = seed(&listener, 1001);
    let lost = requested(&mut seed);
    let asked = Instant::now();
    assert_eq!(requested(&mut seed), lost, "repeated");
    let waited = asked.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    // Both are answered: once it counts, and the other time it does no harm.
    send_piece(&group, &mut seed, lost);
    send_piece(&group, &mut seed, lost);
    for _ in 1..6 {
        let number = requested(&mut seed);
        send_piece(&group, &mut seed, number);
    }
    seed.ended();
    ends_well(ours);
    group.assert_whole(1002);
}

#[test]
fn what_a_silent_seed_owes_is_fetched_from_another_and_it_stays_connected() {
    let group = group(641, &[true, true, false]);
    let (first, second) = (listen(&group, 1001), listen(&group, 1002));
    let ours = group.start(1003, &[]);
    let mut silent = seed(&first, 1001);
    let owed = requested(&mut silent);
    let mut honest = seed(&second, 1002);
    let begun = Instant::now();
    let mut given = Vec::new();
    while given.len() < 6 {
        let number = requested(&mut honest);
        send_piece(&group, &mut honest, number);
        given.push(number);
    }
    assert!(given.contains(&owed) && begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    // The silent one learns all of it, over the connection that it has.
    let mut haves = 0;
    while haves < 6 {
        let (said, _) = silent.hear().expect("a connection that goes on");
        haves += u32::from(said == kind::HAVE);
    }
    honest.ended();
    drop(silent);
    ends_well(ours);
    group.assert_whole(1003);
}

#[test]
fn a_neighbour_that_says_nothing_is_named_with_the_option_to_try() {
    let group = group(642, &[true, false]);
    let mut ours = group.start(1001, &[]);
    let mut silent = RawNeighbour::connect(group.port(1001), true);
    silent.greet(1002);
    silent.greeted();
    let word = "waiting\tconnected but silent: 1002 (try --framing exclusive)";
    let reported = ours.output().find(0, SOON, |line| line == word);
    assert!(reported.is_some(), "{}", ours.output().text());
    ours.process().signal(Signal::INT);
    assert_eq!(ours.process().wait(SOON).code(), Some(130));
}

#[test]
fn a_neighbour_that_says_nothing_is_spoken_to_as_the_others_speak() {
    let group = group(643, &[true, false, false]);
    let _ours = group.start(1001, &[]);
    let mut talker = RawNeighbour::connect(group.port(1001), true);
    talker.greet(1002);
    talker.greeted();
    talker.send(kind::INTERESTED, &[]);
    talker.expect(kind::BITFIELD, &[ALL]);
    let mut silent = RawNeighbour::connect(group.port(1001), true);
    silent.greet(1003);
    silent.greeted();
    silent.expect(kind::BITFIELD, &[ALL]);
    silent.send(kind::INTERESTED, &[]);
    silent.expect(kind::UNCHOKE, &[]);
}
