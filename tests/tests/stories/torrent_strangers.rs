//! Who connects to a seed of ours and says wrong things is shown the door, and the seed goes on giving to others.

use std::time::{Duration, Instant};

use tests::foreign::{RawWire, Scene};
use tests::raw_client::RawClient;
use tests::torrent_peer::{TorrentPeer, address};

const INTERESTED: u8 = 2;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;

/// How soon somebody must be told that nobody here speaks so.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Within which time somebody who offends after the handshake is disconnected.
const LEFT_WITHIN: Duration = Duration::from_secs(30);

fn request(piece: u32, begin: u32, length: u32) -> Vec<u8> {
    [piece, begin, length].map(u32::to_be_bytes).concat()
}

/// Somebody greets a seed and says something, for which the connection must end; somebody honest fetches all then.
fn is_left_after(say: impl FnOnce(&mut RawWire)) {
    let scene = Scene::by_hand(980);
    let seed = scene.seed_alone(&TorrentPeer::default());
    let mut wire = RawWire::connect(address(&seed.running)).expect("a seed that accepts");
    wire.send_raw(&RawWire::handshake(scene.infohash, *b"-RP0001-story client")).expect("a connection");
    wire.read_handshake().expect("a handshake");
    say(&mut wire);
    let begun = Instant::now();
    while wire.receive().is_ok() {
        assert!(begun.elapsed() < LEFT_WITHIN, "it is still spoken with");
    }
    let mut honest = scene.fetch_unseen(&TorrentPeer::default());
    scene.completes(&mut honest);
}

/// Somebody says something that is no handshake about this torrent, and is turned away at once.
fn is_turned_away(bytes: impl Fn(&Scene) -> Vec<u8>) {
    let scene = Scene::by_hand(981);
    let seed = scene.seed_alone(&TorrentPeer::default());
    let mut client = RawClient::connect(address(&seed.running));
    client.send(&bytes(&scene));
    let heard = client.hear(AT_ONCE);
    assert!(heard.closed && heard.bytes.len() <= 68, "{heard:?}");
    let mut honest = scene.fetch_unseen(&TorrentPeer::default());
    scene.completes(&mut honest);
}

/// Sends a message, if the other side still listens.
fn say(wire: &mut RawWire, id: u8, payload: &[u8]) {
    // Its going is what the story waits for.
    let _ = wire.send(id, payload);
}

#[test]
fn a_request_for_2_gib_is_not_served() {
    is_left_after(|wire| {
        say(wire, INTERESTED, &[]);
        say(wire, REQUEST, &request(0, 0, 2 << 30));
    });
}

#[test]
fn a_request_for_a_piece_that_does_not_exist_is_not_served() {
    is_left_after(|wire| say(wire, REQUEST, &request(u32::MAX, 0, 16 << 10)));
}

#[test]
fn a_request_that_overflows_is_not_served() {
    is_left_after(|wire| say(wire, REQUEST, &request(0, u32::MAX, 16 << 10)));
}

#[test]
fn a_request_for_nothing_is_not_served() {
    is_left_after(|wire| say(wire, REQUEST, &request(0, 0, 0)));
}

#[test]
fn a_message_of_4_gib_is_not_read() {
    is_left_after(|wire| drop(wire.send_raw(&[0xff; 100])));
}

#[test]
fn a_bitfield_of_another_torrent_is_not_taken() {
    is_left_after(|wire| say(wire, BITFIELD, &[0xff; 999]));
}

#[test]
fn a_torrent_that_is_not_here_is_not_spoken_of() {
    is_turned_away(|scene| {
        let mut bytes = RawWire::handshake(scene.infohash, *b"-RP0001-story client");
        bytes[30] ^= 1;
        bytes
    });
}

#[test]
fn a_stranger_with_a_browser_is_turned_away() {
    is_turned_away(|_| b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
}
