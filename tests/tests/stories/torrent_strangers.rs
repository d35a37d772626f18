//! Our seed disconnects clients that send invalid messages, and continues to serve others.

use std::time::{Duration, Instant};

use tests::raw_client::RawClient;
use tests::third_party::{RawWire, TorrentFixture};
use tests::torrent_peer::{TorrentPeer, listen_address};

const INTERESTED: u8 = 2;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;

/// Time limit for refusing a client of another protocol.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit for disconnecting a client that misbehaves after the handshake.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(30);

fn request_payload(piece: u32, begin: u32, length: u32) -> Vec<u8> {
    [piece, begin, length].map(u32::to_be_bytes).concat()
}

/// Sends a handshake and then invalid messages, after which the connection must end; an honest client then downloads
/// everything.
fn assert_disconnected_after(misbehave: impl FnOnce(&mut RawWire)) {
    let fixture = TorrentFixture::by_hand(980);
    let seed = fixture.start_only_seed(&TorrentPeer::default());
    let mut wire = RawWire::connect(listen_address(&seed.client)).expect("an open connection");
    wire.send_raw(&RawWire::handshake(fixture.infohash, *b"-RP0001-story client")).expect("a connection");
    wire.read_handshake().expect("a handshake");
    misbehave(&mut wire);
    let start = Instant::now();
    while wire.receive().is_ok() {
        assert!(start.elapsed() < DISCONNECT_TIMEOUT, "the connection is still open");
    }
    let mut honest = fixture.start_download_unseen(&TorrentPeer::default());
    fixture.wait_until_complete(&mut honest);
}

/// Sends something other than a handshake for this torrent, which must be refused at once.
fn assert_refused(bytes: impl Fn(&TorrentFixture) -> Vec<u8>) {
    let fixture = TorrentFixture::by_hand(981);
    let seed = fixture.start_only_seed(&TorrentPeer::default());
    let mut client = RawClient::connect(listen_address(&seed.client));
    client.send(&bytes(&fixture));
    let response = client.receive(REFUSAL_TIMEOUT);
    assert!(response.closed && response.bytes.len() <= 68, "{response:?}");
    let mut honest = fixture.start_download_unseen(&TorrentPeer::default());
    fixture.wait_until_complete(&mut honest);
}

/// Sends a message, unless the other side has disconnected.
fn send_if_open(wire: &mut RawWire, id: u8, payload: &[u8]) {
    // The story waits for the disconnection.
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
    assert_refused(|fixture| {
        let mut bytes = RawWire::handshake(fixture.infohash, *b"-RP0001-story client");
        bytes[30] ^= 1;
        bytes
    });
}

#[test]
fn http_request_is_refused() {
    assert_refused(|_| b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
}
