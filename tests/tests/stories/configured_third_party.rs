//! The peculiarities of other programs of the dialect, each scripted byte for byte, in both framings.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use tests::configured_group::ConfiguredGroup;
use tests::content::TestContent;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::raw_neighbour::{NeighbourMessage, RawNeighbour, handshake, kind};
use tests::third_party::ClientProcess;

const PIECE_LENGTH: usize = 1_000;
const ALL_PIECES: u8 = 0b1111_1100;

/// Time without messages that counts as silence.
const SILENCE_TIME: Duration = Duration::from_millis(300);

/// A group of two with a file of six pieces, the last of which has 7 bytes.
fn group() -> ConfiguredGroup {
    ConfiguredGroup::new(TestContent::random(630, 5_007), 1_000, &[true, false])
}

/// Returns the body of a message with a piece.
fn piece_body(group: &ConfiguredGroup, number: u32) -> Vec<u8> {
    let bytes = group.content().bytes.chunks(PIECE_LENGTH).nth(number as usize).expect("an existing piece");
    [&number.to_be_bytes(), bytes].concat()
}

fn assert_success(mut peer: ClientProcess) {
    let status = peer.process().wait(DEFAULT_TIMEOUT);
    assert!(status.success(), "{status}: {}", peer.output().text());
}

/// Runs one of our programs that downloads from a third-party seed. `play` scripts the seed from after our handshake;
/// in both framings.
fn download_from_scripted_seed(
    options: impl Fn(bool) -> Vec<&'static str>,
    play: impl Fn(&ConfiguredGroup, &mut RawNeighbour),
) {
    for exclusive in [false, true] {
        let group = group();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, group.port(1001))).expect("a free port");
        let ours = group.start(1002, &options(exclusive));
        let mut seed = RawNeighbour::accept(&listener, exclusive);
        assert_eq!(seed.read_handshake(), 1002);
        play(&group, &mut seed);
        seed.wait_for_close();
        assert_success(ours);
        group.assert_only_file(1002);
    }
}

/// Runs one of our seeds for a third-party peer. `play` scripts the peer from after the handshakes; in both framings.
fn seed_to_scripted_peer(
    options: impl Fn(bool) -> Vec<&'static str>,
    play: impl Fn(&ConfiguredGroup, &mut RawNeighbour),
) {
    for exclusive in [false, true] {
        let group = group();
        let ours = group.start(1001, &options(exclusive));
        let mut peer = RawNeighbour::connect(group.port(1001), exclusive);
        peer.send_handshake(1002);
        assert_eq!(peer.read_handshake(), 1001);
        play(&group, &mut peer);
        peer.wait_for_close();
        assert_success(ours);
    }
}

/// Connects to one of our seeds and waits for its bitfield, without sending anything after the handshake.
fn connect_as_peer(group: &ConfiguredGroup, exclusive: bool) -> RawNeighbour {
    let mut peer = RawNeighbour::connect(group.port(1001), exclusive);
    peer.send_handshake(1002);
    assert_eq!(peer.read_handshake(), 1001);
    peer.expect(kind::BITFIELD, &[ALL_PIECES]);
    peer
}

/// Downloads everything from one of our seeds, which then ends.
fn download_all(group: &ConfiguredGroup, mut peer: RawNeighbour, ours: ClientProcess) {
    peer.send(kind::INTERESTED, &[]);
    peer.expect(kind::UNCHOKE, &[]);
    request_all_pieces(group, &mut peer);
    peer.wait_for_close();
    assert_success(ours);
}

fn automatic_framing(_exclusive: bool) -> Vec<&'static str> {
    Vec::new()
}

fn explicit_framing(exclusive: bool) -> Vec<&'static str> {
    vec!["--framing", if exclusive { "exclusive" } else { "inclusive" }]
}

/// Serves requests until `remaining` pieces are sent. Returns the messages received other than requests and haves.
fn serve_pieces(
    group: &ConfiguredGroup,
    seed: &mut RawNeighbour,
    mut remaining: usize,
) -> Vec<NeighbourMessage> {
    let mut others = Vec::new();
    while remaining > 0 {
        match seed.receive().expect("a request") {
            (kind::REQUEST, number) => {
                let number = u32::from_be_bytes(number.try_into().expect("a number"));
                seed.send(kind::PIECE, &piece_body(group, number));
                remaining -= 1;
            }
            (kind::HAVE, _) => {}
            other => others.push(other),
        }
    }
    others
}

/// Downloads all pieces one after the other from a seed that has unchoked us, and announces each.
fn request_all_pieces(group: &ConfiguredGroup, peer: &mut RawNeighbour) {
    for number in 0..6_u32 {
        peer.send(kind::REQUEST, &number.to_be_bytes());
        peer.expect(kind::PIECE, &piece_body(group, number));
        peer.send(kind::HAVE, &number.to_be_bytes());
    }
}

#[test]
fn seed_that_replies_only_to_a_full_handshake_is_used() {
    download_from_scripted_seed(automatic_framing, |group, seed| {
        seed.send_handshake(1001);
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        assert_eq!(serve_pieces(group, seed, 6), []);
    });
}

#[test]
fn handshake_in_single_bytes_is_accepted() {
    download_from_scripted_seed(automatic_framing, |group, seed| {
        for byte in handshake(1001) {
            seed.send_raw(&[byte]);
        }
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        serve_pieces(group, seed, 6);
    });
}

#[test]
fn peer_that_waits_for_our_bitfield_is_served() {
    seed_to_scripted_peer(explicit_framing, |group, peer| {
        peer.expect(kind::BITFIELD, &[ALL_PIECES]);
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        request_all_pieces(group, peer);
    });
}

#[test]
fn silent_peer_is_addressed_in_the_default_framing() {
    let group = group();
    let ours = group.start(1001, &[]);
    let start = Instant::now();
    let peer = connect_as_peer(&group, false);
    assert!(start.elapsed() > Duration::from_millis(1500), "it should have waited: {:?}", start.elapsed());
    download_all(&group, peer, ours);
}

#[test]
fn late_framing_is_remembered_for_the_next_connection() {
    let group = group();
    let ours = group.start(1001, &[]);
    let mut peer = connect_as_peer(&group, false);
    // `00 00 00 00 02`: interested, exclusive.
    peer.send_raw(&[0, 0, 0, 0, kind::INTERESTED]);
    peer.wait_for_disconnect();
    let peer = connect_as_peer(&group, true);
    download_all(&group, peer, ours);
}

#[test]
fn seed_that_requires_a_bitfield_gets_an_empty_one() {
    download_from_scripted_seed(explicit_framing, |group, seed| {
        seed.send_handshake(1001);
        seed.expect(kind::BITFIELD, &[0]);
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        serve_pieces(group, seed, 6);
    });
}

#[test]
fn late_repeated_bitfield_with_spare_bits_is_accepted() {
    download_from_scripted_seed(automatic_framing, |group, seed| {
        seed.send_handshake(1001);
        seed.send(kind::UNCHOKE, &[]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.send(kind::HAVE, &3_u32.to_be_bytes());
        seed.expect(kind::INTERESTED, &[]);
        seed.expect(kind::REQUEST, &3_u32.to_be_bytes());
        seed.send(kind::PIECE, &piece_body(group, 3));
        seed.expect(kind::HAVE, &3_u32.to_be_bytes());
        seed.expect(kind::NOT_INTERESTED, &[]);
        // Spare bits are set, and one piece is still missing.
        seed.send(kind::BITFIELD, &[0b0111_1111]);
        seed.expect(kind::INTERESTED, &[]);
        serve_pieces(group, seed, 4);
        seed.send(kind::BITFIELD, &[0xff]);
        serve_pieces(group, seed, 1);
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
    });
}

#[test]
fn repeated_unchokes_cause_no_extra_requests() {
    download_from_scripted_seed(automatic_framing, |group, seed| {
        seed.send_handshake(1001);
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        for _ in 0..3 {
            seed.send(kind::UNCHOKE, &[]);
        }
        let (first, number) = seed.receive().expect("a request");
        assert_eq!(first, kind::REQUEST);
        seed.send(kind::UNCHOKE, &[]);
        assert!(seed.is_silent(SILENCE_TIME), "a second request");
        let number = u32::from_be_bytes(number.try_into().expect("a number"));
        seed.send(kind::PIECE, &piece_body(group, number));
        assert_eq!(serve_pieces(group, seed, 5), []);
    });
}

#[test]
fn choked_request_is_repeated_after_the_next_unchoke() {
    download_from_scripted_seed(automatic_framing, |group, seed| {
        seed.send_handshake(1001);
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        seed.send(kind::UNCHOKE, &[]);
        assert_eq!(seed.receive().expect("a request").0, kind::REQUEST);
        seed.send(kind::CHOKE, &[]);
        assert!(seed.is_silent(SILENCE_TIME), "a request was sent while choked");
        seed.send(kind::UNCHOKE, &[]);
        serve_pieces(group, seed, 6);
    });
}

#[test]
fn requests_sent_while_choked_are_served_after_unchoke() {
    seed_to_scripted_peer(automatic_framing, |group, peer| {
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[ALL_PIECES]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        for number in [2_u32, 0, 5, 2, 1] {
            peer.send(kind::REQUEST, &number.to_be_bytes());
        }
        // The peer no longer needs this piece.
        peer.send(kind::HAVE, &1_u32.to_be_bytes());
        assert!(peer.is_silent(SILENCE_TIME), "a choked peer was served");
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        for number in [2, 0, 5] {
            peer.expect(kind::PIECE, &piece_body(group, number));
        }
        request_all_pieces(group, peer);
    });
}

#[test]
fn uninterested_peer_is_choked_at_the_next_selection() {
    seed_to_scripted_peer(automatic_framing, |group, peer| {
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[ALL_PIECES]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        // Between two selections nothing changes, however often its interest does.
        for _ in 0..50 {
            peer.send(kind::NOT_INTERESTED, &[]);
            peer.send(kind::INTERESTED, &[]);
        }
        peer.send(kind::NOT_INTERESTED, &[]);
        peer.send(kind::REQUEST, &0_u32.to_be_bytes());
        peer.expect(kind::PIECE, &piece_body(group, 0));
        peer.expect(kind::CHOKE, &[]);
        peer.send(kind::INTERESTED, &[]);
        let chosen = Instant::now();
        peer.expect(kind::UNCHOKE, &[]);
        assert!(chosen.elapsed() > SILENCE_TIME, "unchoked between two selections");
        request_all_pieces(group, peer);
    });
}

#[test]
fn done_is_answered_and_not_sent_early() {
    seed_to_scripted_peer(automatic_framing, |group, peer| {
        peer.send(kind::BITFIELD, &[0]);
        peer.expect(kind::BITFIELD, &[ALL_PIECES]);
        peer.expect(kind::NOT_INTERESTED, &[]);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        // The program does not announce its pieces before it announces completion.
        for number in 0..6_u32 {
            peer.send(kind::REQUEST, &number.to_be_bytes());
            peer.expect(kind::PIECE, &piece_body(group, number));
        }
        assert!(peer.is_silent(SILENCE_TIME), "sent without a reason");
        peer.send(kind::DONE, &[]);
        peer.expect(kind::DONE, &[]);
    });
    download_from_scripted_seed(automatic_framing, |group, seed| {
        seed.send_handshake(1001);
        seed.send(kind::BITFIELD, &[ALL_PIECES]);
        seed.send(kind::DONE, &[]);
        seed.expect(kind::BITFIELD, &[0]);
        seed.expect(kind::INTERESTED, &[]);
        assert!(seed.is_silent(SILENCE_TIME), "sent before the download is complete");
        seed.send(kind::UNCHOKE, &[]);
        assert_eq!(serve_pieces(group, seed, 6), []);
        while let Some((number, body)) = seed.receive() {
            match number {
                kind::DONE => return assert!(body.is_empty()),
                other => assert!(matches!(other, kind::HAVE | kind::NOT_INTERESTED), "{other}"),
            }
        }
        panic!("the program ended without sending done");
    });
}

#[test]
fn done_is_sent_at_the_end_in_exclusive_framing_only() {
    for exclusive in [false, true] {
        let group = group();
        let ours = group.start(1001, &explicit_framing(exclusive));
        let mut peer = connect_as_peer(&group, exclusive);
        peer.send(kind::INTERESTED, &[]);
        peer.expect(kind::UNCHOKE, &[]);
        request_all_pieces(&group, &mut peer);
        if exclusive {
            peer.expect(kind::DONE, &[]);
        }
        assert_eq!(peer.receive(), None);
        drop(peer);
        assert_success(ours);
    }
}

#[test]
fn seed_is_disconnected_for_an_invalid_piece_and_reused_later() {
    for lie in [[0, 0, 0, 6].as_slice(), &[0, 0, 0, 0, 7]] {
        let group = group();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, group.port(1001))).expect("a free port");
        let ours = group.start(1002, &[]);
        let begin = || {
            let mut seed = RawNeighbour::accept(&listener, false);
            seed.read_handshake();
            seed.send_handshake(1001);
            seed.send(kind::BITFIELD, &[ALL_PIECES]);
            seed.expect(kind::BITFIELD, &[0]);
            seed.expect(kind::INTERESTED, &[]);
            seed.send(kind::UNCHOKE, &[]);
            seed
        };
        let mut liar = begin();
        assert_eq!(liar.receive().expect("a request").0, kind::REQUEST);
        liar.send(kind::PIECE, lie);
        liar.wait_for_disconnect();
        let mut seed = begin();
        serve_pieces(&group, &mut seed, 6);
        seed.wait_for_close();
        assert_success(ours);
        group.assert_only_file(1002);
    }
}
