//! How many requests wait at a BitTorrent peer: as many as it says may wait there.

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

/// The length of the blocks that are asked for.
const BLOCK_LENGTH: usize = 16 << 10;

/// How long a peer may keep requests back that it is going to send.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// Greets whoever connects as a peer that has all and takes so many requests, and begins to serve.
fn send_greeting(wire: &mut RawWire, scene: &TorrentFixture, takes: usize) {
    wire.read_handshake().expect("a handshake");
    let mut handshake = RawWire::handshake(scene.infohash, *b"-RP0001-story client");
    (handshake[25], handshake[27]) = (0x10, 0x04);
    wire.send_raw(&handshake).expect("a connection");
    let document = format!("\0d1:md6:ut_pexi1ee4:reqqi{takes}e1:v10:RawWire 1.e");
    wire.send(EXTENDED, document.as_bytes()).expect("a connection");
    wire.send(HAVE_ALL, &[]).expect("a connection");
    while wire.receive().expect("a message").id != INTERESTED {}
    wire.send(UNCHOKE, &[]).expect("a connection");
}

/// Waits until so many requests are there.
fn receive_requests(wire: &mut RawWire, count: usize) -> Vec<RawMessage> {
    let messages = std::iter::repeat_with(|| wire.receive().expect("a request"));
    messages.filter(|message| message.id == REQUEST).take(count).collect()
}

/// Sends what is asked for.
fn serve_block(wire: &mut RawWire, content: &[u8], request: &RawMessage) {
    let &[piece, begin, length] = request.numbers().as_slice() else { panic!("a request") };
    let at = piece as usize * tests::content::PIECE_LENGTH + begin as usize;
    let head = [piece, begin].map(u32::to_be_bytes).concat();
    let block = &content[at..at + length as usize];
    wire.send(PIECE, &[&head, block].concat()).expect("a connection");
}

/// Rejects what is asked for, if the connection still is there.
fn reject(wire: &mut RawWire, request: &RawMessage) {
    let same = request.numbers().iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>();
    drop(wire.send(REJECT, &same));
}

/// Starts a download that has one peer, whoever accepts connections here.
fn start_download(scene: &TorrentFixture) -> (SwarmMember, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address").to_string();
    (scene.start_download_unseen(&TorrentPeer::with_options(&["--peer", &address])), listener)
}

/// Accepts a connection as a peer that has all and takes so many requests.
fn accept_as_seed(listener: &TcpListener, scene: &TorrentFixture, takes: usize) -> RawWire {
    let (stream, _) = eventually("a connection", DEFAULT_TIMEOUT, || listener.accept().ok());
    stream.set_nonblocking(false).expect("a socket");
    let mut wire = RawWire::from_stream(stream).expect("a connection");
    send_greeting(&mut wire, scene, takes);
    wire
}

#[test]
fn requests_stay_within_the_reqq_of_the_peer() {
    const REQQ: usize = 2;
    let scene = TorrentFixture::by_hand(990);
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    let (mut fetcher, listener) = start_download(&scene);
    let mut wire = accept_as_seed(&listener, &scene, REQQ);
    let mut left = content.bytes.len().div_ceil(BLOCK_LENGTH);
    let mut waiting = receive_requests(&mut wire, REQQ);
    assert!(wire.is_silent_for(QUIET_TIME), "more than {REQQ} requests wait");
    while !waiting.is_empty() {
        for request in &waiting {
            serve_block(&mut wire, &content.bytes, request);
        }
        left -= waiting.len();
        waiting = receive_requests(&mut wire, REQQ.min(left));
    }
    scene.wait_until_complete(&mut fetcher);
}

#[test]
fn rejected_request_to_the_only_peer_is_repeated() {
    let scene = TorrentFixture::by_hand(991);
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    let (mut fetcher, listener) = start_download(&scene);
    let mut wire = accept_as_seed(&listener, &scene, 4);
    let (mut left, mut to_turn_down) = (content.bytes.len().div_ceil(BLOCK_LENGTH), 3);
    while left > 0 {
        let request = receive_requests(&mut wire, 1).remove(0);
        // One of its last pieces too, when nothing else is left to ask for.
        if to_turn_down > usize::from(left > 1) {
            to_turn_down -= 1;
            reject(&mut wire, &request);
        } else {
            serve_block(&mut wire, &content.bytes, &request);
            left -= 1;
        }
    }
    scene.wait_until_complete(&mut fetcher);
}

#[test]
fn only_peer_that_rejects_all_is_redialled() {
    let scene = TorrentFixture::by_hand(992);
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    let (mut fetcher, listener) = start_download(&scene);
    let mut wire = accept_as_seed(&listener, &scene, 4);
    while let Ok(message) = wire.receive() {
        if message.id == REQUEST {
            reject(&mut wire, &message);
        }
    }
    let mut wire = accept_as_seed(&listener, &scene, 4);
    for _ in 0..content.bytes.len().div_ceil(BLOCK_LENGTH) {
        let request = receive_requests(&mut wire, 1).remove(0);
        serve_block(&mut wire, &content.bytes, &request);
    }
    scene.wait_until_complete(&mut fetcher);
}
