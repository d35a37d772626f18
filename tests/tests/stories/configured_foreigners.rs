//! The peculiarities of other programs of the dialect, each played byte for byte, in both framings.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use tests::content::Content;
use tests::eventually::SOON;
use tests::foreign::Running;
use tests::group::Group;
use tests::raw_neighbour::{RawNeighbour, Said, handshake, kind};

const PIECE: usize = 1_000;
const ALL: u8 = 0b1111_1100;

/// How long it is listened whether anything comes that should not.
const MOMENT: Duration = Duration::from_millis(300);

/// A group of two with a file of six pieces, the last of which has 7 bytes.
fn group() -> Group {
    Group::new(Content::random(630, 5_007), 1_000, &[true, false])
}

/// Returns the body of a message with a piece.
fn piece(group: &Group, number: u32) -> Vec<u8> {
    let bytes = group.content().bytes.chunks(PIECE).nth(number as usize).expect("a piece that exists");
    [&number.to_be_bytes(), bytes].concat()
}

fn ends_well(mut peer: Running) {
    let status = peer.process().wait(SOON);
    assert!(status.success(), "{status}: {}", peer.output().text());
}

/// Lets one of ours fetch from a foreign seed that `play` plays from our handshake on, which it has read; in both framings.
fn fetches_from(options: impl Fn(bool) -> Vec<&'static str>, play: impl Fn(&Group, &mut RawNeighbour)) {
    for exclusive in [false, true] {
        let group = group();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, group.port(1001))).expect("a free port");
        let ours = group.start(1002, &options(exclusive));
        let mut seed = RawNeighbour::accept(&listener, exclusive);
        assert_eq!(seed.greeted(), 1002);
        play(&group, &mut seed);
        seed.ended();
        ends_well(ours);
        group.assert_whole(1002);
    }
}

/// Lets a foreign peer fetch from a seed of ours: `play` plays it from the handshakes on; in both framings.
fn gives_to(options: impl Fn(bool) -> Vec<&'static str>, play: impl Fn(&Group, &mut RawNeighbour)) {
    for exclusive in [false, true] {
        let group = group();
        let ours = group.start(1001, &options(exclusive));
        let mut peer = RawNeighbour::connect(group.port(1001), exclusive);
        peer.greet(1002);
        assert_eq!(peer.greeted(), 1001);
        play(&group, &mut peer);
        peer.ended();
        ends_well(ours);
    }
}

/// Connects to a seed of ours and waits for its bitfield, without a word after the handshake.
fn call(group: &Group, exclusive: bool) -> RawNeighbour {
    let mut peer = RawNeighbour::connect(group.port(1001), exclusive);
    peer.greet(1002);
    assert_eq!(peer.greeted(), 1001);
    peer.expect(kind::BITFIELD, &[ALL]);
    peer
}

/// Fetches all from a seed of ours, which ends then.
fn take_all(group: &Group, mut peer: RawNeighbour, ours: Running) {
    peer.send(kind::INTERESTED, &[]);
    peer.expect(kind::UNCHOKE, &[]);
    fetch(group, &mut peer);
    peer.ended();
    ends_well(ours);
}

fn auto(_exclusive: bool) -> Vec<&'static str> {
    Vec::new()
}

fn said(exclusive: bool) -> Vec<&'static str> {
    vec!["--framing", if exclusive { "exclusive" } else { "inclusive" }]
}

/// Answers requests until six pieces are given; returns what was said besides requests and haves.
fn serve(group: &Group, seed: &mut RawNeighbour, mut left: usize) -> Vec<Said> {
    let mut others = Vec::new();
    while left > 0 {
        match seed.hear().expect("a request") {
            (kind::REQUEST, number) => {
                let number = u32::from_be_bytes(number.try_into().expect("a number"));
                seed.send(kind::PIECE, &piece(group, number));
                left -= 1;
            }
            (kind::HAVE, _) => {}
            other => others.push(other),
        }
    }
    others
}

/// Fetches all pieces, one after the other, after an unchoke; says that it has them.
fn fetch(group: &Group, peer: &mut RawNeighbour) {
    for number in 0..6_u32 {
        peer.send(kind::REQUEST, &number.to_be_bytes());
        peer.expect(kind::PIECE, &piece(group, number));
        peer.send(kind::HAVE, &number.to_be_bytes());
    }
}

#[test]
fn one_that_answers_a_handshake_only_when_it_has_read_all_32_bytes() {
    fetches_from(auto, |group, seed| {
        seed.greet(1001);
        seed.send(kind::BITFIELD, &[ALL]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        assert_eq!(serve(group, seed, 6), []);
    });
}

#[test]
fn one_whose_handshake_and_bitfield_come_in_single_bytes() {
    fetches_from(auto, |group, seed| {
        for byte in handshake(1001) {
            seed.send_raw(&[byte]);
        }
        seed.send(kind::BITFIELD, &[ALL]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        serve(group, seed, 6);
    });
}

#[test]
fn one_that_says_nothing_before_it_has_our_bitfield() {
    gives_to(said, |group, peer| {
        peer.expect(kind::BITFIELD, &[ALL]);
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        fetch(group, peer);
    });
}

#[test]
fn one_that_says_nothing_is_spoken_to_in_the_framing_of_most() {
    let group = group();
    let ours = group.start(1001, &[]);
    let begun = Instant::now();
    let peer = call(&group, false);
    assert!(begun.elapsed() > Duration::from_millis(1500), "it may still begin: {:?}", begun.elapsed());
    take_all(&group, peer, ours);
}

#[test]
fn one_that_is_slow_to_show_another_framing_is_met_in_it_the_next_time() {
    let group = group();
    let ours = group.start(1001, &[]);
    let mut peer = call(&group, false);
    // `00 00 00 00 02`: interested, exclusive.
    peer.send_raw(&[0, 0, 0, 0, kind::INTERESTED]);
    peer.is_left();
    let peer = call(&group, true);
    take_all(&group, peer, ours);
}

#[test]
fn one_that_serves_nobody_who_has_not_sent_a_bitfield_even_an_empty_one() {
    fetches_from(said, |group, seed| {
        seed.greet(1001);
        seed.expect(kind::BITFIELD, &[0]);
        seed.send(kind::BITFIELD, &[ALL]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        serve(group, seed, 6);
    });
}

#[test]
fn one_whose_bitfield_comes_late_and_again_and_with_spare_bits() {
    fetches_from(auto, |group, seed| {
        seed.greet(1001);
        seed.send(kind::UNCHOKE, &[]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.send(kind::HAVE, &3_u32.to_be_bytes());
        seed.expect(kind::INTERESTED, &[]);
        seed.expect(kind::REQUEST, &3_u32.to_be_bytes());
        seed.send(kind::PIECE, &piece(group, 3));
        seed.expect(kind::HAVE, &3_u32.to_be_bytes());
        seed.expect(kind::NOT_INTERESTED, &[]);
        // Spare bits are set, and one piece is not there yet.
        seed.send(kind::BITFIELD, &[0b0111_1111]);
        seed.expect(kind::INTERESTED, &[]);
        serve(group, seed, 4);
        seed.send(kind::BITFIELD, &[0xff]);
        serve(group, seed, 1);
        seed.send(kind::BITFIELD, &[ALL]);
    });
}

#[test]
fn one_that_unchokes_again_and_again_is_asked_for_one_piece_at_a_time() {
    fetches_from(auto, |group, seed| {
        seed.greet(1001);
        seed.send(kind::BITFIELD, &[ALL]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        for _ in 0..3 {
            seed.send(kind::UNCHOKE, &[]);
        }
        let (first, number) = seed.hear().expect("a request");
        assert_eq!(first, kind::REQUEST);
        seed.send(kind::UNCHOKE, &[]);
        assert!(seed.is_silent(MOMENT), "a second request");
        let number = u32::from_be_bytes(number.try_into().expect("a number"));
        seed.send(kind::PIECE, &piece(group, number));
        assert_eq!(serve(group, seed, 5), []);
    });
}

#[test]
fn one_that_chokes_instead_of_answering_is_asked_again_when_it_serves() {
    fetches_from(auto, |group, seed| {
        seed.greet(1001);
        seed.send(kind::BITFIELD, &[ALL]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        assert_eq!(seed.hear().expect("a request").0, kind::REQUEST);
        seed.send(kind::CHOKE, &[]);
        assert!(seed.is_silent(MOMENT), "who chokes is asked for something");
        seed.send(kind::UNCHOKE, &[]);
        serve(group, seed, 6);
    });
}

#[test]
fn one_that_never_gives_a_choked_request_up_gets_all_its_pieces() {
    gives_to(auto, |group, peer| {
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[ALL]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        for number in [2_u32, 0, 5, 2, 1] {
            peer.send(kind::REQUEST, &number.to_be_bytes());
        }
        // It needs this one no more.
        peer.send(kind::HAVE, &1_u32.to_be_bytes());
        assert!(peer.is_silent(MOMENT), "who is choked is served");
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        for number in [2, 0, 5] {
            peer.expect(kind::PIECE, &piece(group, number));
        }
        fetch(group, peer);
    });
}

#[test]
fn one_that_is_not_interested_is_choked_by_the_clock_only() {
    gives_to(auto, |group, peer| {
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[ALL]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        // Between two selections nothing moves, however often its mind changes.
        for _ in 0..50 {
            peer.send(kind::NOT_INTERESTED, &[]);
            peer.send(kind::INTERESTED, &[]);
        }
        peer.send(kind::NOT_INTERESTED, &[]);
        peer.send(kind::REQUEST, &0_u32.to_be_bytes());
        peer.expect(kind::PIECE, &piece(group, 0));
        peer.expect(kind::CHOKE, &[]);
        peer.send(kind::INTERESTED, &[]);
        let chosen = Instant::now();
        peer.expect(kind::UNCHOKE, &[]);
        assert!(chosen.elapsed() > MOMENT, "unchoked between two selections");
        fetch(group, peer);
    });
}

#[test]
fn one_that_waits_for_done_gets_it_and_nobody_does_unasked() {
    gives_to(auto, |group, peer| {
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[ALL]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        // It does not say that it has them before it says that it has all.
        for number in 0..6_u32 {
            peer.send(kind::REQUEST, &number.to_be_bytes());
            peer.expect(kind::PIECE, &piece(group, number));
        }
        assert!(peer.is_silent(MOMENT), "said unasked");
        peer.send(kind::DONE, &[]);
        peer.expect(kind::DONE, &[]);
    });
    fetches_from(auto, |group, seed| {
        seed.greet(1001);
        seed.send(kind::BITFIELD, &[ALL]);
        seed.send(kind::DONE, &[]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        assert!(seed.is_silent(MOMENT), "said before all is here");
        seed.send(kind::UNCHOKE, &[]);
        assert_eq!(serve(group, seed, 6), []);
        while let Some((said, body)) = seed.hear() {
            match said {
                kind::DONE => return assert!(body.is_empty()),
                other => assert!(matches!(other, kind::HAVE | kind::NOT_INTERESTED), "{other}"),
            }
        }
        panic!("it ended without the word");
    });
}

#[test]
fn done_is_sent_at_the_end_to_those_whose_framing_goes_with_it() {
    for exclusive in [false, true] {
        let group = group();
        let ours = group.start(1001, &said(exclusive));
        let mut peer = call(&group, exclusive);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        fetch(&group, &mut peer);
        if exclusive {
            peer.expect(kind::DONE, &[]);
        }
        assert_eq!(peer.hear(), None);
        drop(peer);
        ends_well(ours);
    }
}

#[test]
fn one_that_gives_a_wrong_piece_is_left_and_its_pieces_are_fetched_when_it_is_back() {
    for lie in [[0, 0, 0, 6].as_slice(), &[0, 0, 0, 0, 7]] {
        let group = group();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, group.port(1001))).expect("a free port");
        let ours = group.start(1002, &[]);
        let begin = || {
            let mut seed = RawNeighbour::accept(&listener, false);
            seed.greeted();
            seed.greet(1001);
            seed.send(kind::BITFIELD, &[ALL]);
            seed.expect(kind::BITFIELD, &[0]);
            seed.expect(kind::INTERESTED, &[]);
            seed.send(kind::UNCHOKE, &[]);
            seed
        };
        let mut liar = begin();
        assert_eq!(liar.hear().expect("a request").0, kind::REQUEST);
        liar.send(kind::PIECE, lie);
        liar.is_left();
        let mut seed = begin();
        serve(&group, &mut seed, 6);
        seed.ended();
        ends_well(ours);
        group.assert_whole(1002);
    }
}
