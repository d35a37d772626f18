use protocol::bittorrent::{BlockSpec, Message, block_head};
use protocol::infohash::Infohash;
use protocol::limits::MAX_WIRE_REQUESTS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fetch::Fetch;
use super::node::{Node, content, torrent};
use super::scripted::{Said, Scripted, handshake};
use crate::bittorrent::{Approach, GreetingError, WireError, WireEvent};

const BLOCK: u32 = 16 << 10;

/// Pieces of 64 KiB, of which the last is short.
const LENGTH: usize = (9 << 16) + 1000;

fn spec(piece: u32, begin: u32, length: u32) -> BlockSpec {
    BlockSpec { piece, begin, length }
}

fn say(messages: &[Message<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        message.encode(&mut bytes);
    }
    bytes
}

/// Says whether a dial has failed as it should.
type IsExpected = fn(&WireError) -> bool;

/// What peers without and with the fast extension may not say, and why they are left.
fn lies() -> Vec<(bool, Vec<u8>, &'static str)> {
    let block = spec(0, 0, BLOCK);
    vec![
        (true, vec![0x80, 0, 0, 0], "a message of 2147483648 bytes"),
        (true, vec![0xff; 4], "a message of 4294967295 bytes"),
        (true, vec![0, 0, 0, 2, 4], "a message of kind 4 with a length of 2 bytes"),
        (true, say(&[Message::Bitfield(&[0xff])]), "a message of kind 5"),
        (true, say(&[Message::Bitfield(&[0xff, 0, 0])]), "a message of kind 5"),
        (true, say(&[Message::Bitfield(&[0xff, 0xff])]), "past its last piece"),
        (true, say(&vec![Message::Bitfield(&[0x80, 0]); 20]), "goes on saying what it has"),
        (true, say(&vec![Message::HaveNone; 20]), "goes on saying what it has"),
        (true, say(&[Message::Have { piece: 10 }]), "does not exist"),
        (true, say(&[Message::Have { piece: u32::MAX }]), "does not exist"),
        (true, say(&[Message::Suggest { piece: 10 }]), "does not exist"),
        (true, say(&[Message::AllowedFast { piece: 10 }]), "does not exist"),
        (true, say(&[Message::Request(spec(10, 0, 1))]), "no block of 1 bytes"),
        (true, say(&[Message::Request(spec(0, u32::MAX, 2))]), "no block of 2 bytes"),
        (true, say(&[Message::Request(spec(9, 990, 11))]), "no block of 11 bytes"),
        (true, say(&[Message::Request(spec(0, 0, 0))]), "no block of 0 bytes"),
        (true, say(&[Message::Request(spec(0, 0, (128 << 10) + 1))]), "too long a block"),
        (true, say(&[Message::Cancel(spec(10, 0, 1))]), "no block of 1 bytes"),
        (true, say(&[Message::Reject(spec(10, 0, 1))]), "no block of 1 bytes"),
        (true, say(&vec![Message::Reject(block); 1100]), "rejects what it was not asked for"),
        (true, say(&vec![Message::Request(block); 2 * MAX_WIRE_REQUESTS + 9]), "it does not get"),
        (true, [&block_head(spec(0, 0, 1))[..], &[1]].concat(), "it was not asked for"),
        (true, [&block_head(spec(0, 65536, 1))[..], &[1]].concat(), "no block of 1 bytes"),
        (false, say(&[Message::Request(spec(9, 0, 1000))]), "a piece that is not here"),
        (false, say(&[Message::HaveAll]), "fast extension"),
        (false, say(&[Message::HaveNone]), "fast extension"),
        (false, say(&[Message::Reject(block)]), "fast extension"),
        (false, say(&[Message::Suggest { piece: 0 }]), "fast extension"),
        (false, say(&[Message::AllowedFast { piece: 0 }]), "fast extension"),
        (false, say(&vec![Message::Request(block); 2 * MAX_WIRE_REQUESTS + 9]), "it does not get"),
    ]
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_left_and_nobody_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    for (has_fast, bytes, why) in lies() {
        let mut peer = Scripted::connect(&node, has_fast, 7).await;
        peer.send(&bytes).await;
        peer.is_left().await;
        let (reason, again) = node.lost().await;
        assert!(reason.contains(why) && !again, "{reason}, not {why}");
    }
    let mut honest = Scripted::connect(&node, false, 8).await;
    honest.say(Message::Interested).await;
    honest.hears(Message::Unchoke).await;
    node.stop().await;
}

#[tokio::test]
async fn who_asks_for_too_many_blocks_at_once_has_the_rest_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = Scripted::connect(&node, true, 7).await;
    peer.say(Message::Interested).await;
    peer.hears(Message::Unchoke).await;
    // It does not read, so most of them have to wait.
    let asked = spec(0, 0, 16 << 10);
    peer.send(&say(&vec![Message::Request(asked); 3000])).await;
    let (mut blocks, mut rejections) = (0, 0);
    while blocks + rejections < 3000 {
        let said = peer.next().await.unwrap();
        rejections += usize::from(said == Message::Reject(asked).into());
        blocks += usize::from(matches!(said, Said::Block(block, _) if block == asked));
    }
    assert!(blocks >= MAX_WIRE_REQUESTS && rejections > 0, "{blocks} blocks, {rejections} rejections");
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_known_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = Scripted::connect(&node, true, 7).await;
    // An extended message full of nested lists, a number that nothing has, and the port of a DHT node.
    let mut bytes = vec![0, 1, 0, 0, 20];
    bytes.extend(vec![b'l'; (1 << 16) - 1]);
    bytes.extend([0, 0, 0, 3, 255, 1, 2]);
    bytes.extend(say(&[Message::Port(6881), Message::KeepAlive, Message::HaveNone, Message::Interested]));
    peer.send(&bytes).await;
    peer.hears(Message::Unchoke).await;
    node.stop().await;
}

#[tokio::test]
async fn strangers_get_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut other_length = handshake(metainfo.infohash(), true, 7);
    other_length[0] = 18;
    let mut other_case = handshake(metainfo.infohash(), true, 7);
    other_case[1] = b'b';
    let unknown = handshake(Infohash::from_bytes([7; 20]), true, 7);
    let mut request = [b' '; 68];
    request[..16].copy_from_slice(b"GET / HTTP/1.1\r\n");
    for bytes in [other_length, other_case, unknown, request] {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        // Bytes that might be the beginning of a key would be waited for otherwise.
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
    }
    assert_eq!(node.membership.count(), 0);
    node.stop().await;
}

#[tokio::test]
async fn what_answers_in_our_name_or_for_another_torrent_is_no_peer() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    assert!(matches!(
        node.membership.dial(node.address, Approach::Plain).await,
        Err(WireError::Ourselves { .. })
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: [(&[u8], IsExpected); 3] = [
        (&handshake(Infohash::from_bytes([7; 20]), true, 7), |error| {
            matches!(error, WireError::Greeting { source: GreetingError::OtherTorrent, .. })
        }),
        (&[b'x'; 68], |error| {
            matches!(error, WireError::Greeting { source: GreetingError::Handshake(_), .. })
        }),
        (b"\x13BitTor", |error| matches!(error, WireError::Greeting { source: GreetingError::Io(_), .. })),
    ];
    for (answer, is_expected) in answers {
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let (dialled, ()) = tokio::join!(node.membership.dial(address, Approach::Plain), answering);
        assert!(is_expected(&dialled.unwrap_err()));
    }
    node.stop().await;
}

#[tokio::test]
async fn one_peer_is_connected_once() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut first = Scripted::connect(&node, true, 7).await;
    first.hears(Message::Bitfield(&[0xff, 0x80])).await;
    let mut second = Scripted::connect(&node, true, 7).await;
    second.is_left().await;
    assert_eq!(node.membership.count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_dial_each_other_at_once_keep_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let seed = Node::start(dir.path(), 1, &content, &metainfo, 10).await;
    let fetcher = Node::start(dir.path(), 2, &content, &metainfo, 0).await;
    let _ = tokio::join!(
        seed.membership.dial(fetcher.address, Approach::Plain),
        fetcher.membership.dial(seed.address, Approach::Plain)
    );
    let fetcher = Fetch::new(fetcher).finish().await;
    fetcher.stop().await;
    seed.stop().await;
}

#[tokio::test]
async fn a_block_that_was_not_asked_for_in_that_length_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 0).await;
    let mut peer = Scripted::called(&node, true, 7).await;
    peer.send(&say(&[Message::HaveAll, Message::Unchoke])).await;
    let WireEvent::Joined { wire, .. } = node.event().await else { panic!("no peer") };
    assert!(matches!(node.event().await, WireEvent::Unchoked));
    wire.request(node.metainfo.geometry().block(0, 0, BLOCK).unwrap());
    peer.hears(Message::Request(spec(0, 0, BLOCK))).await;
    peer.send_block(spec(0, 0, BLOCK - 1), &content[..BLOCK as usize - 1]).await;
    assert!(node.lost().await.0.contains("it was not asked for"));
    node.stop().await;
}
