//! How many requests wait at a BitTorrent peer: as many as it says may wait there.

use std::net::TcpListener;
use std::time::Duration;

use tests::eventually::{SOON, eventually};
use tests::foreign::{Member, RawMessage, RawWire, Scene};
use tests::torrent_peer::TorrentPeer;

const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const HAVE_ALL: u8 = 14;
const REJECT: u8 = 16;
const EXTENDED: u8 = 20;

/// The length of the blocks that are asked for.
const BLOCK: usize = 16 << 10;

/// How long a peer may keep requests back that it is going to send.
const QUIET: Duration = Duration::from_secs(1);

/// Greets whoever connects as a peer that has all and takes so many requests, and begins to serve.
fn greet(wire: &mut RawWire, scene: &Scene, takes: usize) {
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
fn requests(wire: &mut RawWire, count: usize) -> Vec<RawMessage> {
    let messages = std::iter::repeat_with(|| wire.receive().expect("a request"));
    messages.filter(|message| message.id == REQUEST).take(count).collect()
}

/// Sends what is asked for.
fn serve(wire: &mut RawWire, content: &[u8], request: &RawMessage) {
    let &[piece, begin, length] = request.numbers().as_slice() else { panic!("a request") };
    let at = piece as usize * tests::content::PIECE + begin as usize;
    let head = [piece, begin].map(u32::to_be_bytes).concat();
    let block = &content[at..at + length as usize];
    wire.send(PIECE, &[&head, block].concat()).expect("a connection");
}

/// Rejects what is asked for, if the connection still is there.
fn turn_down(wire: &mut RawWire, request: &RawMessage) {
    let same = request.numbers().iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>();
    drop(wire.send(REJECT, &same));
}

/// Starts a download that has one peer, whoever accepts connections here.
fn begin(scene: &Scene) -> (Member, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address").to_string();
    (scene.fetch_unseen(&TorrentPeer::with(&["--peer", &address])), listener)
}

/// Accepts a connection as a peer that has all and takes so many requests.
fn accept(listener: &TcpListener, scene: &Scene, takes: usize) -> RawWire {
    let (stream, _) = eventually("a connection", SOON, || listener.accept().ok());
    stream.set_nonblocking(false).expect("a socket");
    let mut wire = RawWire::over(stream).expect("a connection");
    greet(&mut wire, scene, takes);
    wire
}

#[test]
fn a_peer_is_asked_for_no_more_at_once_than_it_says_may_wait() {
    const TAKES: usize = 2;
    let scene = Scene::by_hand(990);
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    let (mut fetcher, listener) = begin(&scene);
    let mut wire = accept(&listener, &scene, TAKES);
    let mut left = content.bytes.len().div_ceil(BLOCK);
    let mut waiting = requests(&mut wire, TAKES);
    assert!(wire.is_quiet_for(QUIET), "more than {TAKES} requests wait");
    while !waiting.is_empty() {
        for request in &waiting {
            serve(&mut wire, &content.bytes, request);
        }
        left -= waiting.len();
        waiting = requests(&mut wire, TAKES.min(left));
    }
    scene.completes(&mut fetcher);
}

#[test]
fn what_the_only_peer_turns_down_is_asked_of_it_again() {
    let scene = Scene::by_hand(991);
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    let (mut fetcher, listener) = begin(&scene);
    let mut wire = accept(&listener, &scene, 4);
    let (mut left, mut to_turn_down) = (content.bytes.len().div_ceil(BLOCK), 3);
    while left > 0 {
        let request = requests(&mut wire, 1).remove(0);
        // One of its last pieces too, when nothing else is left to ask for.
        if to_turn_down > usize::from(left > 1) {
            to_turn_down -= 1;
            turn_down(&mut wire, &request);
        } else {
            serve(&mut wire, &content.bytes, &request);
            left -= 1;
        }
    }
    scene.completes(&mut fetcher);
}

#[test]
fn an_only_peer_that_turns_everything_down_is_left_and_dialled_again() {
    let scene = Scene::by_hand(992);
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    let (mut fetcher, listener) = begin(&scene);
    let mut wire = accept(&listener, &scene, 4);
    while let Ok(message) = wire.receive() {
        if message.id == REQUEST {
            turn_down(&mut wire, &message);
        }
    }
    let mut wire = accept(&listener, &scene, 4);
    for _ in 0..content.bytes.len().div_ceil(BLOCK) {
        let request = requests(&mut wire, 1).remove(0);
        serve(&mut wire, &content.bytes, &request);
    }
    scene.completes(&mut fetcher);
}
