//! uTP (BEP 29): clients over uTP are served like clients over TCP, and a flood of requests harms no one.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use librqbit_utp::{UtpSocketUdp, UtpStream};
use tests::third_party::{RawWire, SwarmMember, TorrentFixture};
use tests::torrent_peer::{TorrentPeer, listen_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const BLOCK_MESSAGE: u8 = 7;

/// Length of the requested blocks, in bytes.
const BLOCK_LENGTH: u32 = 16 << 10;

/// The length of the pieces, in bytes.
const PIECE_LENGTH: u32 = 256 << 10;

/// Number of blocks that one client requests.
const BLOCK_COUNT: u32 = 32;

/// Time limit of a reply.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Time limit for a TCP handshake during a flood: five times the maximum on an idle machine.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of connection requests in one flood.
const FLOOD_SIZE: u16 = 2000;

fn start_seed() -> (TorrentFixture, SwarmMember, SocketAddr) {
    let fixture = TorrentFixture::by_hand(1150);
    let member = fixture.start_only_seed(&TorrentPeer::with_options(&["-v"]));
    let address = listen_address(&member.client);
    (fixture, member, address)
}

async fn open_utp_socket() -> Arc<UtpSocketUdp> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    UtpSocketUdp::new_udp(any).await.expect("a socket")
}

fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(1 + payload.len()).expect("a short message");
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

/// Reads messages until one has number `id`, and returns its payload.
async fn receive(stream: &mut UtpStream, id: u8) -> Vec<u8> {
    loop {
        let length = stream.read_u32().await.expect("a message");
        let mut message = vec![0; length as usize];
        stream.read_exact(&mut message).await.expect("a complete message");
        if message.first() == Some(&id) {
            return message.split_off(1);
        }
    }
}

/// Handshakes, downloads a few blocks and compares them with the original.
async fn fetch(stream: &mut UtpStream, fixture: &TorrentFixture) {
    let handshake = RawWire::handshake(fixture.infohash, *b"-RP0001-story client");
    stream.write_all(&handshake).await.expect("a connection");
    let mut reply = [0; 68];
    stream.read_exact(&mut reply).await.expect("a handshake");
    assert_eq!(reply[28..48], *fixture.infohash.as_bytes());
    stream.write_all(&message(INTERESTED, &[])).await.expect("a connection");
    receive(stream, UNCHOKE).await;
    let [(_, content)] = fixture.files() else { panic!("expected a single-file fixture") };
    let block_position = |number: u32| {
        let at = number * BLOCK_LENGTH;
        (at / PIECE_LENGTH, at % PIECE_LENGTH)
    };
    for (piece, begin) in (0..BLOCK_COUNT).map(block_position) {
        let request = [piece, begin, BLOCK_LENGTH].map(u32::to_be_bytes).concat();
        stream.write_all(&message(REQUEST, &request)).await.expect("a connection");
    }
    for number in 0..BLOCK_COUNT {
        let (piece, begin) = block_position(number);
        let block = receive(stream, BLOCK_MESSAGE).await;
        let at = (number * BLOCK_LENGTH) as usize;
        assert_eq!(block[..8], [piece, begin].map(u32::to_be_bytes).concat());
        assert!(block[8..] == content.bytes[at..at + BLOCK_LENGTH as usize], "block {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_over_utp_is_served() {
    let (fixture, member, address) = tokio::task::block_in_place(start_seed);
    let socket = open_utp_socket().await;
    let fetched = async {
        let mut stream = socket.connect(address).await.expect("a uTP connection");
        fetch(&mut stream, &fixture).await;
    };
    timeout(ANSWER_TIMEOUT, fetched).await.expect("an answer in time");
    tokio::task::block_in_place(|| drop(member));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_utp_requests_does_not_block_others() {
    let (fixture, member, address) = tokio::task::block_in_place(start_seed);
    let flood = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for connection in 0..FLOOD_SIZE {
        let mut syn = [0; 20];
        (syn[0], syn[17]) = (0x41, 1);
        // The accepting side receives on the next connection id.
        syn[2..4].copy_from_slice(&(connection * 2).to_be_bytes());
        flood.send_to(&syn, address).expect("a packet sent");
        // An invalid packet, and data for a connection that does not exist.
        flood.send_to(&syn[..usize::from(connection % 20)], address).expect("a packet sent");
        syn[0] = 0x01;
        flood.send_to(&syn, address).expect("a packet sent");
    }
    let start = Instant::now();
    tokio::task::block_in_place(|| {
        let mut wire = RawWire::connect(address).expect("a connection");
        let handshake = RawWire::handshake(fixture.infohash, *b"-RP0001-story client");
        wire.send_raw(&handshake).expect("a connection");
        wire.read_handshake().expect("a handshake");
    });
    assert!(start.elapsed() < GREETING_TIMEOUT, "{:?}", start.elapsed());
    // Connection requests without further packets time out, and then uTP works again.
    let socket = open_utp_socket().await;
    let fetched = async {
        loop {
            if let Ok(Ok(mut stream)) = timeout(Duration::from_secs(2), socket.connect(address)).await {
                return fetch(&mut stream, &fixture).await;
            }
        }
    };
    timeout(4 * ANSWER_TIMEOUT, fetched).await.expect("uTP after the flood");
    tokio::task::block_in_place(|| drop(member));
}
