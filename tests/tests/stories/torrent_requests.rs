//! The number of outstanding requests to a BitTorrent peer stays within the peer's limit.

use std::net::TcpListener;
use std::time::Duration;

use tests::eventually::{DEFAULT_TIMEOUT, eventually};
use tests::third_party::{RawMessage, RawWire, SwarmMember, TorrentFixture};
use tests::torrent_peer::TorrentPeer;

const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const HAVE_ALL: u8 = 14;
const REJECT: u8 = 16;
const EXTENDED: u8 = 20;

/// Length of the requested blocks, in bytes.
const BLOCK_LENGTH: usize = 16 << 10;

/// Time without messages that counts as silence.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// Handshakes with the connected client as a seed with a request limit of `takes`, and unchokes the client.
fn send_greeting(wire: &mut RawWire, fixture: &TorrentFixture, takes: usize) {
    wire.read_handshake().expect("a handshake");
    let mut handshake = RawWire::handshake(fixture.infohash, *b"-RP0001-story client");
    (handshake[25], handshake[27]) = (0x10, 0x04);
    wire.send_raw(&handshake).expect("a connection");
    let document = format!("\0d1:md6:ut_pexi1ee4:reqqi{takes}e1:v10:RawWire 1.e");
    wire.send(EXTENDED, document.as_bytes()).expect("a connection");
    wire.send(HAVE_ALL, &[]).expect("a connection");
    while wire.receive().expect("a message").id != INTERESTED {}
    wire.send(UNCHOKE, &[]).expect("a connection");
}

/// Receives `count` requests.
fn receive_requests(wire: &mut RawWire, count: usize) -> Vec<RawMessage> {
    let messages = std::iter::repeat_with(|| wire.receive().expect("a request"));
    messages.filter(|message| message.id == REQUEST).take(count).collect()
}

/// Sends the requested block.
fn serve_block(wire: &mut RawWire, content: &[u8], request: &RawMessage) {
    let &[piece, begin, length] = request.numbers().as_slice() else { panic!("expected a request") };
    let at = piece as usize * tests::content::PIECE_LENGTH + begin as usize;
    let head = [piece, begin].map(u32::to_be_bytes).concat();
    let block = &content[at..at + length as usize];
    wire.send(PIECE, &[&head, block].concat()).expect("a connection");
}

/// Rejects a request, if the connection is still open.
fn reject(wire: &mut RawWire, request: &RawMessage) {
    let same = request.numbers().iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>();
    drop(wire.send(REJECT, &same));
}

/// Starts a download whose only peer is the returned listener.
fn start_download(fixture: &TorrentFixture) -> (SwarmMember, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address").to_string();
    (fixture.start_download_unseen(&TorrentPeer::with_options(&["--peer", &address])), listener)
}

/// Accepts a connection as a seed with a request limit of `takes`.
fn accept_as_seed(listener: &TcpListener, fixture: &TorrentFixture, takes: usize) -> RawWire {
    let (stream, _) = eventually("a connection", DEFAULT_TIMEOUT, || listener.accept().ok());
    stream.set_nonblocking(false).expect("a socket");
    let mut wire = RawWire::from_stream(stream).expect("a connection");
    send_greeting(&mut wire, fixture, takes);
    wire
}

#[test]
fn requests_stay_within_the_reqq_of_the_peer() {
    const REQQ: usize = 2;
    let fixture = TorrentFixture::by_hand(990);
    let [(_, content)] = fixture.files() else { panic!("expected a single-file fixture") };
    let (mut fetcher, listener) = start_download(&fixture);
    let mut wire = accept_as_seed(&listener, &fixture, REQQ);
    let mut remaining = content.bytes.len().div_ceil(BLOCK_LENGTH);
    let mut waiting = receive_requests(&mut wire, REQQ);
    assert!(wire.is_silent_for(QUIET_TIME), "more than {REQQ} requests are outstanding");
    while !waiting.is_empty() {
        for request in &waiting {
            serve_block(&mut wire, &content.bytes, request);
        }
        remaining -= waiting.len();
        waiting = receive_requests(&mut wire, REQQ.min(remaining));
    }
    fixture.wait_until_complete(&mut fetcher);
}

#[test]
fn rejected_request_to_the_only_peer_is_repeated() {
    let fixture = TorrentFixture::by_hand(991);
    let [(_, content)] = fixture.files() else { panic!("expected a single-file fixture") };
    let (mut fetcher, listener) = start_download(&fixture);
    let mut wire = accept_as_seed(&listener, &fixture, 4);
    let (mut remaining, mut rejections) = (content.bytes.len().div_ceil(BLOCK_LENGTH), 3);
    while remaining > 0 {
        let request = receive_requests(&mut wire, 1).remove(0);
        // Also one of its last pieces, when nothing else is left to request.
        if rejections > usize::from(remaining > 1) {
            rejections -= 1;
            reject(&mut wire, &request);
        } else {
            serve_block(&mut wire, &content.bytes, &request);
            remaining -= 1;
        }
    }
    fixture.wait_until_complete(&mut fetcher);
}

#[test]
fn only_peer_that_rejects_all_is_redialled() {
    let fixture = TorrentFixture::by_hand(992);
    let [(_, content)] = fixture.files() else { panic!("expected a single-file fixture") };
    let (mut fetcher, listener) = start_download(&fixture);
    let mut wire = accept_as_seed(&listener, &fixture, 4);
    while let Ok(message) = wire.receive() {
        if message.id == REQUEST {
            reject(&mut wire, &message);
        }
    }
    let mut wire = accept_as_seed(&listener, &fixture, 4);
    for _ in 0..content.bytes.len().div_ceil(BLOCK_LENGTH) {
        let request = receive_requests(&mut wire, 1).remove(0);
        serve_block(&mut wire, &content.bytes, &request);
    }
    fixture.wait_until_complete(&mut fetcher);
}
