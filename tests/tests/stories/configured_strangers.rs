//! A peer disconnects clients that send invalid messages, and continues to serve its group.

use std::time::{Duration, Instant};

use tests::configured_group::ConfiguredGroup;
use tests::content::TestContent;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::raw_neighbour::{RawNeighbour, handshake, kind};
use tests::third_party::ClientProcess;

/// A group of two with a file of six pieces, the last of which has 7 bytes.
fn group() -> ConfiguredGroup {
    ConfiguredGroup::new(TestContent::random(620, 5_007), 1_000, &[true, false])
}

/// Checks that an honest peer still downloads everything and that the seed ends successfully.
fn assert_still_serves(group: &ConfiguredGroup, mut seed: ClientProcess) {
    let mut honest = group.start(1002, &[]);
    for peer in [&mut seed, &mut honest] {
        let status = peer.process().wait(DEFAULT_TIMEOUT);
        assert!(status.success(), "{status}: {}", peer.output().text());
    }
    group.assert_only_file(1002);
}

/// Checks that a connection that begins with something else than a handshake of the group is refused.
fn assert_refused(beginning: &[u8]) {
    let group = group();
    let seed = group.start(1001, &[]);
    let mut stranger = RawNeighbour::connect(group.port(1001), false);
    assert_eq!(stranger.read_handshake(), 1001, "the handshake is sent at once");
    stranger.send_raw(beginning);
    assert_eq!(stranger.receive(), None);
    assert_still_serves(&group, seed);
}

/// Checks that a group member is disconnected after sending an invalid message, in both framings.
fn assert_disconnected_after(misbehave: impl Fn(&mut RawNeighbour)) {
    for exclusive in [false, true] {
        let group = group();
        let seed = group.start(1001, &[]);
        let mut peer = RawNeighbour::connect(group.port(1001), exclusive);
        peer.send_handshake(1002);
        peer.read_handshake();
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[0b1111_1100]);
        misbehave(&mut peer);
        peer.wait_for_disconnect();
        assert_still_serves(&group, seed);
    }
}

#[test]
fn wrong_header_is_refused() {
    assert_refused(&[b"P2PFILESHARINGPROG\0\0\0\0\0\0\0\0\0\0".as_slice(), &1002_u32.to_be_bytes()].concat());
    assert_refused(
        &[b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\x01".as_slice(), &1002_u32.to_be_bytes()].concat(),
    );
    assert_refused(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

#[test]
fn unlisted_peer_and_own_id_are_refused() {
    assert_refused(&handshake(9999));
    assert_refused(&handshake(1001));
}

#[test]
fn unknown_message_types_end_the_connection() {
    assert_disconnected_after(|peer| peer.send(9, &[]));
    assert_disconnected_after(|peer| peer.send(255, &[0; 3]));
}

#[test]
fn length_of_4_gib_ends_the_connection() {
    assert_disconnected_after(|peer| peer.send_raw(&[0xff, 0xff, 0xff, 0xff, kind::PIECE]));
    assert_disconnected_after(|peer| peer.send_raw(&[0xff; 4]));
}

#[test]
fn wrong_message_lengths_end_the_connection() {
    assert_disconnected_after(|peer| peer.send(kind::HAVE, &[0; 3]));
    assert_disconnected_after(|peer| peer.send(kind::INTERESTED, &[0]));
    assert_disconnected_after(|peer| peer.send(kind::BITFIELD, &[0; 2]));
}

#[test]
fn nonexistent_pieces_end_the_connection() {
    assert_disconnected_after(|peer| peer.send(kind::REQUEST, &6_u32.to_be_bytes()));
    assert_disconnected_after(|peer| peer.send(kind::HAVE, &u32::MAX.to_be_bytes()));
}

#[test]
fn unrequested_pieces_end_the_connection() {
    assert_disconnected_after(|peer| peer.send(kind::PIECE, &[[0; 4].as_slice(), &[7; 1000]].concat()));
}

#[test]
fn peer_that_floods_the_log_is_disconnected() {
    let group = group();
    let _seed = group.start(1001, &[]);
    let mut peer = RawNeighbour::connect(group.port(1001), false);
    peer.send_handshake(1002);
    peer.read_handshake();
    peer.send(kind::BITFIELD, &[0]);
    let both = [0, 0, 0, 1, kind::UNCHOKE, 0, 0, 0, 1, kind::CHOKE];
    peer.send_raw(&both.repeat(60_000));
    peer.wait_for_disconnect();
    assert!(group.log(1001).len() < 20_000, "{} lines", group.log(1001).len());
}

#[test]
fn peer_with_too_many_choked_requests_is_disconnected() {
    let group = ConfiguredGroup::new(TestContent::random(622, 2_000), 1, &[true, false]);
    let seed = group.start(1001, &[]);
    let mut peer = RawNeighbour::connect(group.port(1001), false);
    peer.send_handshake(1002);
    peer.read_handshake();
    peer.send(kind::BITFIELD, &[0; 250]);
    // Repeated requests for the same piece are stored once.
    for number in [[0; 1_500].as_slice(), &(0..1_024).collect::<Vec<u32>>()].concat() {
        peer.send(kind::REQUEST, &number.to_be_bytes());
    }
    peer.expect(kind::BITFIELD, &[0xff; 250]);
    peer.expect(kind::NOT_INTERESTED, &[]);
    assert!(peer.is_silent(Duration::from_millis(300)));
    peer.send(kind::REQUEST, &1_024_u32.to_be_bytes());
    peer.wait_for_disconnect();
    assert_still_serves(&group, seed);
}

#[test]
fn peer_that_repeats_done_is_disconnected_quickly() {
    let group = ConfiguredGroup::new(TestContent::random(621, 2_000_000), 1, &[true, false, false]);
    let _seed = group.start(1001, &[]);
    let mut peer = RawNeighbour::connect(group.port(1001), false);
    peer.send_handshake(1002);
    peer.read_handshake();
    let start = Instant::now();
    peer.send_raw(&[0, 0, 0, 1, kind::DONE].repeat(10_002));
    peer.wait_for_disconnect();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
