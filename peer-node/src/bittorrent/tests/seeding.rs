use std::io;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::bittorrent::mse::TorrentKey;
use protocol::bittorrent::{BitTorrentMessage, BlockSpec};
use protocol::geometry::Block;
use protocol::infohash::Infohash;
use tokio::sync::mpsc;

use super::node::{WireTestNode, content, torrent};
use super::scripted_peer::{ScriptedPeer, SentByNode};
use crate::bittorrent::{
    BlockSegment, ConnectMode, PieceLocator, SwarmMembership, TorrentOffering, TorrentResolver, WireEvent,
    Wires,
};
use swarm::{Have, SourceIds};

const BLOCK: u32 = 16 << 10;

/// Nine pieces of 64 KiB and a short one.
const LENGTH: usize = (9 << 16) + 1000;

fn spec(piece: u32, begin: u32, length: u32) -> BlockSpec {
    BlockSpec { piece, begin, length }
}

#[tokio::test]
async fn pieces_are_announced_at_start_and_to_peers_that_lack_them() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    for (pieces, has_fast, first) in [
        (0, true, Some(BitTorrentMessage::HaveNone)),
        (9, true, Some(BitTorrentMessage::Bitfield(&[0xff, 0x80]))),
        (10, true, Some(BitTorrentMessage::HaveAll)),
        (10, false, Some(BitTorrentMessage::Bitfield(&[0xff, 0xc0]))),
        (0, false, None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, pieces).await;
        let mut peer = ScriptedPeer::connect(&node, has_fast, 7).await;
        peer.send_message(BitTorrentMessage::Interested).await;
        assert_eq!(peer.next().await, Some(first.unwrap_or(BitTorrentMessage::Unchoke).into()));
        node.stop().await;
    }
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 0).await;
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    peer.send_message(BitTorrentMessage::Have { piece: 3 }).await;
    assert!(matches!(node.next_event().await, WireEvent::Joined { have: Have::Some(_), choked: true, .. }));
    assert!(matches!(node.next_event().await, WireEvent::Has { piece } if piece.get() == 3));
    for piece in metainfo.geometry().pieces().skip(3).take(2) {
        let from = 65536 * piece.as_usize();
        node.store(piece, &content[from..from + 65536]);
    }
    assert_eq!(peer.next().await, Some(BitTorrentMessage::HaveNone.into()));
    assert_eq!(peer.next().await, Some(BitTorrentMessage::Have { piece: 4 }.into()));
    node.stop().await;
}

#[tokio::test]
async fn unchoked_peer_gets_blocks_in_request_order() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 10).await;
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    peer.send_message(BitTorrentMessage::Request(spec(0, 0, BLOCK))).await;
    peer.expect(BitTorrentMessage::Reject(spec(0, 0, BLOCK))).await;
    peer.send_message(BitTorrentMessage::Interested).await;
    peer.expect(BitTorrentMessage::Unchoke).await;
    let requested = [spec(9, 3, 997), spec(2, 1, 30000), spec(2, 30001, 5), spec(8, 0, 65536), spec(0, 0, 1)];
    for block in requested {
        peer.send_message(BitTorrentMessage::Request(block)).await;
    }
    for block in requested {
        let from = 65536 * block.piece as usize + block.begin as usize;
        let expected = content[from..from + block.length as usize].to_vec();
        assert_eq!(peer.next().await, Some(SentByNode::Block(block, expected)));
    }
    let sent = node.transport.uploads().totals(0).sent;
    assert_eq!(sent, requested.iter().map(|block| u64::from(block.length)).sum::<u64>());
    node.stop().await;
}

#[tokio::test]
async fn a_changed_file_is_no_longer_served() {
    for has_fast in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let content = content(LENGTH);
        let metainfo = torrent(&content, 64 << 10);
        let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
        let mut peer = ScriptedPeer::connect(&node, has_fast, 7).await;
        peer.send_message(BitTorrentMessage::Interested).await;
        peer.expect(BitTorrentMessage::Unchoke).await;
        node.truncate();
        peer.send_message(BitTorrentMessage::Request(spec(1, 0, BLOCK))).await;
        if has_fast {
            peer.expect(BitTorrentMessage::Reject(spec(1, 0, BLOCK))).await;
        } else {
            peer.expect_close().await;
            assert_eq!(node.wait_for_disconnect().await.0, "the shared files have changed");
        }
        assert!(node.offering().is_withdrawn() && !node.offering().is_complete());
        node.stop().await;
    }
}

#[tokio::test]
async fn running_out_of_descriptors_does_not_withdraw_the_torrent() {
    for has_fast in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let content = content(LENGTH);
        let metainfo = torrent(&content, 64 << 10);
        let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
        let mut peer = ScriptedPeer::connect(&node, has_fast, 7).await;
        peer.send_message(BitTorrentMessage::Interested).await;
        peer.expect(BitTorrentMessage::Unchoke).await;
        node.set_out_of_descriptors(true);
        peer.send_message(BitTorrentMessage::Request(spec(1, 0, BLOCK))).await;
        if has_fast {
            peer.expect(BitTorrentMessage::Reject(spec(1, 0, BLOCK))).await;
        } else {
            peer.expect_close().await;
            assert!(node.wait_for_disconnect().await.1, "the peer may retry");
            peer = ScriptedPeer::connect(&node, has_fast, 8).await;
            peer.send_message(BitTorrentMessage::Interested).await;
            peer.expect(BitTorrentMessage::Unchoke).await;
        }
        node.set_out_of_descriptors(false);
        peer.send_message(BitTorrentMessage::Request(spec(1, 0, BLOCK))).await;
        let expected = content[65536..][..BLOCK as usize].to_vec();
        assert_eq!(peer.next().await, Some(SentByNode::Block(spec(1, 0, BLOCK), expected)));
        node.stop().await;
    }
}

#[tokio::test]
async fn every_request_is_answered_even_without_fast_extension() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 0).await;
    let mut peer = ScriptedPeer::accept_from(&node, false, 7).await;
    peer.send_message(BitTorrentMessage::Bitfield(&[0xff, 0xc0])).await;
    peer.send_message(BitTorrentMessage::Unchoke).await;
    let WireEvent::Joined { wire, have: Have::All, choked: true } = node.next_event().await else {
        panic!("no peer")
    };
    assert!(matches!(node.next_event().await, WireEvent::Unchoked));
    let geometry = *metainfo.geometry();
    let blocks: Vec<Block> = geometry.blocks(geometry.piece(1).unwrap(), BLOCK).collect();
    for block in &blocks {
        wire.request(*block);
    }
    peer.expect(BitTorrentMessage::Request(blocks[3].into())).await;
    wire.cancel(blocks[1]);
    assert!(matches!(node.next_event().await, WireEvent::Rejected(rejected) if rejected == [blocks[1]]));
    peer.expect(BitTorrentMessage::Cancel(blocks[1].into())).await;
    // The cancelled block was on its way: it is accepted silently.
    for block in &blocks[..2] {
        let from = 65536 + block.begin as usize;
        peer.send_block((*block).into(), &content[from..from + BLOCK as usize]).await;
    }
    peer.send_message(BitTorrentMessage::Choke).await;
    let mut events = Vec::new();
    while events.last() != Some(&"rejected") {
        events.push(match node.next_event().await {
            WireEvent::Bytes { .. } => continue,
            WireEvent::Blocks { blocks: received, .. } => {
                assert!(received.len() == 1 && received[0].0 == blocks[0]);
                assert_eq!(received[0].1.bytes(), &content[65536..65536 + BLOCK as usize]);
                "block"
            }
            WireEvent::Choked => "choked",
            WireEvent::Rejected(rejected) => {
                assert_eq!(rejected, blocks[2..]);
                "rejected"
            }
            _ => "other",
        });
    }
    assert_eq!(events, ["block", "choked", "rejected"]);
    wire.request(blocks[0]);
    assert!(matches!(node.next_event().await, WireEvent::Rejected(rejected) if rejected == [blocks[0]]));
    node.stop().await;
}

#[tokio::test]
async fn two_complete_peers_disconnect() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    peer.send_message(BitTorrentMessage::HaveAll).await;
    assert!(matches!(node.next_event().await, WireEvent::Joined { have: Have::All, .. }));
    node.store(metainfo.geometry().last_piece().unwrap(), &content[9 << 16..]);
    peer.expect_close().await;
    assert_eq!(node.wait_for_disconnect().await, ("both sides have everything".to_owned(), false));
    node.stop().await;
}

#[tokio::test]
async fn a_silent_peer_still_joins() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    let WireEvent::Joined { wire, .. } = node.next_event().await else { panic!("no peer") };
    assert!(wire.is_inbound() && wire.client() == "Peerdex 0.2");
    // A late bitfield is accepted.
    peer.send_message(BitTorrentMessage::Bitfield(&[0x40, 0])).await;
    assert!(matches!(node.next_event().await, WireEvent::Has { piece } if piece.get() == 1));
    // So is a second one: some clients announce many pieces at once that way.
    peer.send_message(BitTorrentMessage::Bitfield(&[0x60, 0])).await;
    assert!(matches!(node.next_event().await, WireEvent::Has { piece } if piece.get() == 2));
    wire.close();
    peer.expect_close().await;
    assert_eq!(node.wait_for_disconnect().await, ("we closed the connection".to_owned(), false));
    drop(peer);
    node.stop().await;
}

/// Locates nothing; no piece is requested in these tests.
#[derive(Debug)]
struct NoPieceLocator;

impl PieceLocator for NoPieceLocator {
    fn segments(&self, _block: Block) -> io::Result<Option<Vec<BlockSegment>>> {
        Ok(None)
    }
}

/// Joins a torrent when a peer asks for it.
#[derive(Debug)]
struct JoiningResolver {
    wires: Wires,
    offering: Arc<TorrentOffering>,
    membership: Mutex<Option<SwarmMembership>>,
}

impl JoiningResolver {
    fn install(wires: &Wires, offering: Arc<TorrentOffering>) -> Arc<Self> {
        let resolver = Arc::new(Self { wires: wires.clone(), offering, membership: Mutex::default() });
        wires.set_resolver(Arc::clone(&resolver) as Arc<dyn TorrentResolver>);
        resolver
    }
}

impl TorrentResolver for JoiningResolver {
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            if infohash != self.offering.infohash() {
                return false;
            }
            let (events, _) = mpsc::channel(1);
            let joined = self.wires.join(Arc::clone(&self.offering), SourceIds::default(), events);
            *self.membership.lock() = joined.ok();
            true
        })
    }

    fn identify(&self, key: TorrentKey) -> Pin<Box<dyn Future<Output = Option<Infohash>> + Send + '_>> {
        let infohash = self.offering.infohash();
        Box::pin(std::future::ready((TorrentKey::of(infohash) == key).then_some(infohash)))
    }
}

#[tokio::test]
async fn a_torrent_can_join_on_an_incoming_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let (content, other) = (content(LENGTH), content(LENGTH / 2));
    let (metainfo, later) = (torrent(&content, 64 << 10), torrent(&other, 64 << 10));
    let mut node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let nothing = Bitfield::empty(later.geometry());
    let offering = Arc::new(TorrentOffering::new(Arc::clone(&later), &nothing, Arc::new(NoPieceLocator)));
    let wires = node.wires.clone();
    let ready = JoiningResolver::install(&wires, offering);
    node.metainfo = Arc::clone(&later);
    let mut peer = ScriptedPeer::connect(&node, true, 7).await;
    assert_eq!(peer.next().await, Some(BitTorrentMessage::HaveNone.into()));
    assert!(wires.has(later.infohash()) && wires.total_connections() == 1);
    drop(ready.membership.lock().take());
    peer.expect_close().await;
    assert!(!wires.has(later.infohash()));
    node.stop().await;
}

#[tokio::test]
async fn a_torrent_can_join_on_an_encrypted_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let (content, other) = (content(LENGTH), content(LENGTH / 2));
    let (metainfo, later) = (torrent(&content, 64 << 10), torrent(&other, 64 << 10));
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 9).await;
    let nothing = Bitfield::empty(later.geometry());
    let offering = Arc::new(TorrentOffering::new(Arc::clone(&later), &nothing, Arc::new(NoPieceLocator)));
    let ready = JoiningResolver::install(&node.wires, offering);
    let fetcher = WireTestNode::start(dir.path(), 2, &other, &later, 0).await;
    let dialled = fetcher.membership.dial(node.address, ConnectMode::Encrypted).await;
    assert_eq!(dialled.unwrap(), ConnectMode::Encrypted);
    assert!(node.wires.has(later.infohash()));
    drop(ready.membership.lock().take());
    fetcher.stop().await;
    node.stop().await;
}
