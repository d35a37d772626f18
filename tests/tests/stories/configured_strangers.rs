//! Who connects to a peer and says wrong things is shown the door, and the peer goes on giving to its group.

use std::time::{Duration, Instant};

use tests::content::Content;
use tests::eventually::SOON;
use tests::foreign::Running;
use tests::group::Group;
use tests::raw_neighbour::{RawNeighbour, handshake, kind};

/// A group of two with a file of six pieces, the last of which has 7 bytes.
fn group() -> Group {
    Group::new(Content::random(620, 5_007), 1_000, &[true, false])
}

/// Somebody honest fetches all, and everybody ends in peace.
fn goes_on(group: &Group, mut seed: Running) {
    let mut honest = group.start(1002, &[]);
    for peer in [&mut seed, &mut honest] {
        let status = peer.process().wait(SOON);
        assert!(status.success(), "{status}: {}", peer.output().text());
    }
    group.assert_whole(1002);
}

/// Somebody begins with other bytes than a handshake of the group, and is turned away.
fn is_turned_away(beginning: &[u8]) {
    let group = group();
    let seed = group.start(1001, &[]);
    let mut stranger = RawNeighbour::connect(group.port(1001), false);
    assert_eq!(stranger.greeted(), 1001, "a handshake waits for nobody");
    stranger.send_raw(beginning);
    assert_eq!(stranger.hear(), None);
    goes_on(&group, seed);
}

/// One of the group says something for which its connection must end; in both framings.
fn is_left_after(say: impl Fn(&mut RawNeighbour)) {
    for exclusive in [false, true] {
        let group = group();
        let seed = group.start(1001, &[]);
        let mut peer = RawNeighbour::connect(group.port(1001), exclusive);
        peer.greet(1002);
        peer.greeted();
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[0b1111_1100]);
        say(&mut peer);
        peer.is_left();
        goes_on(&group, seed);
    }
}

#[test]
fn another_header_is_turned_away() {
    is_turned_away(&[b"P2PFILESHARINGPROG\0\0\0\0\0\0\0\0\0\0".as_slice(), &1002_u32.to_be_bytes()].concat());
    is_turned_away(
        &[b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\x01".as_slice(), &1002_u32.to_be_bytes()].concat(),
    );
    is_turned_away(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

#[test]
fn who_is_not_listed_and_who_claims_to_be_the_peer_itself_is_turned_away() {
    is_turned_away(&handshake(9999));
    is_turned_away(&handshake(1001));
}

#[test]
fn messages_of_unknown_types_end_a_connection() {
    is_left_after(|peer| peer.send(9, &[]));
    is_left_after(|peer| peer.send(255, &[0; 3]));
}

#[test]
fn lengths_of_4_gib_end_a_connection() {
    is_left_after(|peer| peer.send_raw(&[0xff, 0xff, 0xff, 0xff, kind::PIECE]));
    is_left_after(|peer| peer.send_raw(&[0xff; 4]));
}

#[test]
fn messages_with_wrong_lengths_end_a_connection() {
    is_left_after(|peer| peer.send(kind::HAVE, &[0; 3]));
    is_left_after(|peer| peer.send(kind::INTERESTED, &[0]));
    is_left_after(|peer| peer.send(kind::BITFIELD, &[0; 2]));
}

#[test]
fn pieces_that_do_not_exist_end_a_connection() {
    is_left_after(|peer| peer.send(kind::REQUEST, &6_u32.to_be_bytes()));
    is_left_after(|peer| peer.send(kind::HAVE, &u32::MAX.to_be_bytes()));
}

#[test]
fn pieces_that_nobody_asked_for_end_a_connection() {
    is_left_after(|peer| peer.send(kind::PIECE, &[[0; 4].as_slice(), &[7; 1000]].concat()));
}

#[test]
fn who_says_on_and_on_what_has_to_be_written_down_is_left() {
    let group = group();
    let _seed = group.start(1001, &[]);
    let mut peer = RawNeighbour::connect(group.port(1001), false);
    peer.greet(1002);
    peer.greeted();
    peer.send(kind::BITFIELD, &[0]);
    let both = [0, 0, 0, 1, kind::UNCHOKE, 0, 0, 0, 1, kind::CHOKE];
    peer.send_raw(&both.repeat(60_000));
    peer.is_left();
    assert!(group.log(1001).len() < 20_000, "{} lines", group.log(1001).len());
}

#[test]
fn who_requests_more_than_is_kept_while_it_is_choked_is_left() {
    let group = Group::new(Content::random(622, 2_000), 1, &[true, false]);
    let seed = group.start(1001, &[]);
    let mut peer = RawNeighbour::connect(group.port(1001), false);
    peer.greet(1002);
    peer.greeted();
    peer.send(kind::BITFIELD, &[0; 250]);
    // The same one is kept once.
    for number in [[0; 1_500].as_slice(), &(0..1_024).collect::<Vec<u32>>()].concat() {
        peer.send(kind::REQUEST, &number.to_be_bytes());
    }
    peer.expect(kind::BITFIELD, &[0xff; 250]);
    peer.expect(kind::NOT_INTERESTED, &[]);
    assert!(peer.is_silent(Duration::from_millis(300)));
    peer.send(kind::REQUEST, &1_024_u32.to_be_bytes());
    peer.is_left();
    goes_on(&group, seed);
}

#[test]
fn who_says_again_and_again_that_it_has_all_is_left_before_it_costs_much() {
    let group = Group::new(Content::random(621, 2_000_000), 1, &[true, false, false]);
    let _seed = group.start(1001, &[]);
    let mut peer = RawNeighbour::connect(group.port(1001), false);
    peer.greet(1002);
    peer.greeted();
    let begun = Instant::now();
    peer.send_raw(&[0, 0, 0, 1, kind::DONE].repeat(10_002));
    peer.is_left();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
