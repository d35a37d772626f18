use protocol::bittorrent::{BitTorrentMessage, BlockSpec, block_head};
use protocol::infohash::Infohash;
use protocol::limits::MAX_BITTORRENT_REQUESTS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fetch::WireFetch;
use super::node::{WireTestNode, content, torrent};
use super::scripted_peer::{ScriptedPeer, SentByNode, handshake};
use crate::bittorrent::handshake::PeerHandshakeError;
use crate::bittorrent::{ConnectMode, PeerWireError, WireEvent};

const BLOCK: u32 = 16 << 10;

/// Content of 64 KiB pieces, the last of which is short.
const LENGTH: usize = (9 << 16) + 1000;

fn spec(piece: u32, begin: u32, length: u32) -> BlockSpec {
    BlockSpec { piece, begin, length }
}

fn encode(messages: &[BitTorrentMessage<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        message.encode(&mut bytes);
    }
    bytes
}

/// Returns true if a dial failed as expected.
type IsExpected = fn(&PeerWireError) -> bool;

/// Protocol violations of peers with or without the fast extension, and the expected close reasons.
fn violations() -> Vec<(bool, Vec<u8>, &'static str)> {
    let block = spec(0, 0, BLOCK);
    vec![
        (true, vec![0x80, 0, 0, 0], "a message of 2147483648 bytes"),
        (true, vec![0xff; 4], "a message of 4294967295 bytes"),
        (true, vec![0, 0, 0, 2, 4], "a message of kind 4 with a length of 2 bytes"),
        (true, encode(&[BitTorrentMessage::Bitfield(&[0xff])]), "a message of kind 5"),
        (true, encode(&[BitTorrentMessage::Bitfield(&[0xff, 0, 0])]), "a message of kind 5"),
        (true, encode(&[BitTorrentMessage::Bitfield(&[0xff, 0xff])]), "past its last piece"),
        (true, encode(&vec![BitTorrentMessage::Bitfield(&[0x80, 0]); 20]), "repeats its bitfield"),
        (true, encode(&vec![BitTorrentMessage::HaveNone; 20]), "repeats its bitfield"),
        (true, encode(&[BitTorrentMessage::Have { piece: 10 }]), "does not exist"),
        (true, encode(&[BitTorrentMessage::Have { piece: u32::MAX }]), "does not exist"),
        (true, encode(&[BitTorrentMessage::Suggest { piece: 10 }]), "does not exist"),
        (true, encode(&[BitTorrentMessage::AllowedFast { piece: 10 }]), "does not exist"),
        (true, encode(&[BitTorrentMessage::Request(spec(10, 0, 1))]), "no block of 1 bytes"),
        (true, encode(&[BitTorrentMessage::Request(spec(0, u32::MAX, 2))]), "no block of 2 bytes"),
        (true, encode(&[BitTorrentMessage::Request(spec(9, 990, 11))]), "no block of 11 bytes"),
        (true, encode(&[BitTorrentMessage::Request(spec(0, 0, 0))]), "no block of 0 bytes"),
        (
            true,
            encode(&[BitTorrentMessage::Request(spec(0, 0, (128 << 10) + 1))]),
            "a block that is too long",
        ),
        (true, encode(&[BitTorrentMessage::Cancel(spec(10, 0, 1))]), "no block of 1 bytes"),
        (true, encode(&[BitTorrentMessage::Reject(spec(10, 0, 1))]), "no block of 1 bytes"),
        (
            true,
            encode(&vec![BitTorrentMessage::Reject(block); 1100]),
            "rejects blocks that were not requested",
        ),
        (
            true,
            encode(&vec![BitTorrentMessage::Request(block); 2 * MAX_BITTORRENT_REQUESTS + 9]),
            "blocks that are denied",
        ),
        (true, [&block_head(spec(0, 0, 1))[..], &[1]].concat(), "an unrequested block"),
        (true, [&block_head(spec(0, 65536, 1))[..], &[1]].concat(), "no block of 1 bytes"),
        (false, encode(&[BitTorrentMessage::Request(spec(9, 0, 1000))]), "a piece we do not have"),
        (false, encode(&[BitTorrentMessage::HaveAll]), "fast extension"),
        (false, encode(&[BitTorrentMessage::HaveNone]), "fast extension"),
        (false, encode(&[BitTorrentMessage::Reject(block)]), "fast extension"),
        (false, encode(&[BitTorrentMessage::Suggest { piece: 0 }]), "fast extension"),
        (false, encode(&[BitTorrentMessage::AllowedFast { piece: 0 }]), "fast extension"),
        (
            false,
            encode(&vec![BitTorrentMessage::Request(block); 2 * MAX_BITTORRENT_REQUESTS + 9]),
            "blocks that are denied",
        ),
    ]
}

#[tokio::test]
async fn only_peers_that_violate_the_protocol_are_disconnected() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    for (has_fast, bytes, expected) in violations() {
        let mut peer = ScriptedPeer::connect(&node, has_fast, 7).await;
        peer.send(&bytes).await;
        peer.expect_close().await;
        let (reason, can_retry) = node.wait_for_disconnect().await;
        assert!(reason.contains(expected) && !can_retry, "{reason}, not {expected}");
    }
    let mut honest = ScriptedPeer::connect(&node, false, 8).await;
    honest.send_message(BitTorrentMessage::Interested).await;
    honest.expect(BitTorrentMessage::Unchoke).await;
    node.stop().await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    peer.send_message(BitTorrentMessage::Interested).await;
    peer.expect(BitTorrentMessage::Unchoke).await;
    // The peer does not read, so most requests have to wait.
    let request = spec(0, 0, 16 << 10);
    peer.send(&encode(&vec![BitTorrentMessage::Request(request); 3000])).await;
    let (mut blocks, mut rejections) = (0, 0);
    while blocks + rejections < 3000 {
        let received = peer.next().await.unwrap();
        rejections += usize::from(received == BitTorrentMessage::Reject(request).into());
        blocks += usize::from(matches!(received, SentByNode::Block(block, _) if block == request));
    }
    assert!(blocks >= MAX_BITTORRENT_REQUESTS && rejections > 0, "{blocks} blocks, {rejections} rejections");
    node.stop().await;
}

#[tokio::test]
async fn unknown_messages_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    // An extended message full of nested lists, an unassigned message id, and the port of a DHT node.
    let mut bytes = vec![0, 1, 0, 0, 20];
    bytes.extend(vec![b'l'; (1 << 16) - 1]);
    bytes.extend([0, 0, 0, 3, 255, 1, 2]);
    bytes.extend(encode(&[
        BitTorrentMessage::Port(6881),
        BitTorrentMessage::KeepAlive,
        BitTorrentMessage::HaveNone,
        BitTorrentMessage::Interested,
    ]));
    peer.send(&bytes).await;
    peer.expect(BitTorrentMessage::Unchoke).await;
    node.stop().await;
}

#[tokio::test]
async fn foreign_handshakes_get_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
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
        // Otherwise the node waits for more, since the bytes might begin a public key.
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an orderly close.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
    }
    assert_eq!(node.membership.connection_count(), 0);
    node.stop().await;
}

#[tokio::test]
async fn own_id_or_wrong_torrent_in_handshake_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    assert!(matches!(
        node.membership.dial(node.address, ConnectMode::Plain).await,
        Err(PeerWireError::SelfConnection { .. })
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: [(&[u8], IsExpected); 3] = [
        (&handshake(Infohash::from_bytes([7; 20]), true, 7), |error| {
            matches!(error, PeerWireError::Handshake { source: PeerHandshakeError::OtherTorrent, .. })
        }),
        (&[b'x'; 68], |error| {
            matches!(error, PeerWireError::Handshake { source: PeerHandshakeError::Handshake(_), .. })
        }),
        (b"\x13BitTor", |error| {
            matches!(error, PeerWireError::Handshake { source: PeerHandshakeError::Io(_), .. })
        }),
    ];
    for (answer, is_expected) in answers {
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let (dialled, ()) = tokio::join!(node.membership.dial(address, ConnectMode::Plain), answering);
        assert!(is_expected(&dialled.unwrap_err()));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_peer_is_connected_once() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut first = ScriptedPeer::connect(&node, true, 7).await;
    first.expect(BitTorrentMessage::Bitfield(&[0xff, 0x80])).await;
    let mut second = ScriptedPeer::connect(&node, true, 7).await;
    second.expect_close().await;
    assert_eq!(node.membership.connection_count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_dial_each_other_at_once_keep_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let seed = WireTestNode::start(dir.path(), 1, &content, &metainfo, 10).await;
    let fetcher = WireTestNode::start(dir.path(), 2, &content, &metainfo, 0).await;
    let _ = tokio::join!(
        seed.membership.dial(fetcher.address, ConnectMode::Plain),
        fetcher.membership.dial(seed.address, ConnectMode::Plain)
    );
    let fetcher = WireFetch::new(fetcher).finish().await;
    fetcher.stop().await;
    seed.stop().await;
}

#[tokio::test]
async fn block_of_unrequested_length_is_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 0).await;
    let mut peer = ScriptedPeer::accept_from(&node, true, 7).await;
    peer.send(&encode(&[BitTorrentMessage::HaveAll, BitTorrentMessage::Unchoke])).await;
    let WireEvent::Joined { wire, .. } = node.next_event().await else { panic!("no peer") };
    assert!(matches!(node.next_event().await, WireEvent::Unchoked));
    wire.request(node.metainfo.geometry().block(0, 0, BLOCK).unwrap());
    peer.expect(BitTorrentMessage::Request(spec(0, 0, BLOCK))).await;
    peer.send_block(spec(0, 0, BLOCK - 1), &content[..BLOCK as usize - 1]).await;
    assert!(node.wait_for_disconnect().await.0.contains("an unrequested block"));
    node.stop().await;
}
