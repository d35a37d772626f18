//! Who connects to a seed of ours and says wrong things is shown the door, and the seed goes on giving to others.

use std::time::{Duration, Instant};

use tests::raw_client::RawClient;
use tests::third_party::{RawWire, TorrentFixture};
use tests::torrent_peer::{TorrentPeer, listen_address};

const INTERESTED: u8 = 2;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;

/// How soon somebody must be told that nobody here speaks so.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Within which time somebody who offends after the handshake is disconnected.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(30);

fn request_payload(piece: u32, begin: u32, length: u32) -> Vec<u8> {
    [piece, begin, length].map(u32::to_be_bytes).concat()
}

/// Somebody greets a seed and says something, for which the connection must end; somebody honest fetches all then.
fn assert_disconnected_after(say: impl FnOnce(&mut RawWire)) {
    let scene = TorrentFixture::by_hand(980);
    let seed = scene.start_only_seed(&TorrentPeer::default());
    let mut wire = RawWire::connect(listen_address(&seed.client)).expect("a seed that accepts");
    wire.send_raw(&RawWire::handshake(scene.infohash, *b"-RP0001-story client")).expect("a connection");
    wire.read_handshake().expect("a handshake");
    say(&mut wire);
    let begun = Instant::now();
    while wire.receive().is_ok() {
        assert!(begun.elapsed() < DISCONNECT_TIMEOUT, "it is still spoken with");
    }
    let mut honest = scene.start_download_unseen(&TorrentPeer::default());
    scene.wait_until_complete(&mut honest);
}

/// Somebody says something that is no handshake about this torrent, and is turned away at once.
fn assert_refused(bytes: impl Fn(&TorrentFixture) -> Vec<u8>) {
    let scene = TorrentFixture::by_hand(981);
    let seed = scene.start_only_seed(&TorrentPeer::default());
    let mut client = RawClient::connect(listen_address(&seed.client));
    client.send(&bytes(&scene));
    let heard = client.receive(REFUSAL_TIMEOUT);
    assert!(heard.closed && heard.bytes.len() <= 68, "{heard:?}");
    let mut honest = scene.start_download_unseen(&TorrentPeer::default());
    scene.wait_until_complete(&mut honest);
}

/// Sends a message, if the other side still listens.
fn send_if_open(wire: &mut RawWire, id: u8, payload: &[u8]) {
    // Its going is what the story waits for.
    let _ = wire.send(id, payload);
}

#[test]
fn request_for_2_gib_is_not_served() {
    assert_disconnected_after(|wire| {
        send_if_open(wire, INTERESTED, &[]);
        send_if_open(wire, REQUEST, &request_payload(0, 0, 2 << 30));
    });
}

#[test]
fn request_for_a_nonexistent_piece_is_not_served() {
    assert_disconnected_after(|wire| send_if_open(wire, REQUEST, &request_payload(u32::MAX, 0, 16 << 10)));
}

#[test]
fn overflowing_request_is_not_served() {
    assert_disconnected_after(|wire| send_if_open(wire, REQUEST, &request_payload(0, u32::MAX, 16 << 10)));
}

#[test]
fn empty_request_is_not_served() {
    assert_disconnected_after(|wire| send_if_open(wire, REQUEST, &request_payload(0, 0, 0)));
}

#[test]
fn message_of_4_gib_is_not_read() {
    assert_disconnected_after(|wire| drop(wire.send_raw(&[0xff; 100])));
}

#[test]
fn bitfield_of_another_torrent_is_rejected() {
    assert_disconnected_after(|wire| send_if_open(wire, BITFIELD, &[0xff; 999]));
}

#[test]
fn unknown_torrent_is_refused() {
    assert_refused(|scene| {
        let mut bytes = RawWire::handshake(scene.infohash, *b"-RP0001-story client");
        bytes[30] ^= 1;
        bytes
    });
}

#[test]
fn http_request_is_refused() {
    assert_refused(|_| b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
}
