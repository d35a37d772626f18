use std::io;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::bittorrent::mse::TorrentKey;
use protocol::bittorrent::{BlockSpec, Message};
use protocol::geometry::Block;
use protocol::infohash::Infohash;
use tokio::sync::mpsc;

use super::node::{Node, content, torrent};
use super::scripted::{Said, Scripted};
use crate::bittorrent::{Approach, Membership, Offering, PieceBytes, Resolver, Segment, WireEvent, Wires};
use crate::swarm::{Have, SourceIds};

const BLOCK: u32 = 16 << 10;

/// Nine pieces of 64 KiB and a short one.
const LENGTH: usize = (9 << 16) + 1000;

fn spec(piece: u32, begin: u32, length: u32) -> BlockSpec {
    BlockSpec { piece, begin, length }
}

#[tokio::test]
async fn what_is_here_is_said_first_and_what_comes_later_to_those_who_lack_it() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    for (pieces, has_fast, first) in [
        (0, true, Some(Message::HaveNone)),
        (9, true, Some(Message::Bitfield(&[0xff, 0x80]))),
        (10, true, Some(Message::HaveAll)),
        (10, false, Some(Message::Bitfield(&[0xff, 0xc0]))),
        (0, false, None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::start(dir.path(), 1, &content, &metainfo, pieces).await;
        let mut peer = Scripted::connect(&node, has_fast, 7).await;
        peer.say(Message::Interested).await;
        assert_eq!(peer.next().await, Some(first.unwrap_or(Message::Unchoke).into()));
        node.stop().await;
    }
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 0).await;
    let mut peer = Scripted::connect(&node, true, 7).await;
    peer.say(Message::Have { piece: 3 }).await;
    assert!(matches!(node.event().await, WireEvent::Joined { have: Have::Some(_), choked: true, .. }));
    assert!(matches!(node.event().await, WireEvent::Has { piece } if piece.get() == 3));
    for piece in metainfo.geometry().pieces().skip(3).take(2) {
        let from = 65536 * piece.slot();
        node.store(piece, &content[from..from + 65536]);
    }
    assert_eq!(peer.next().await, Some(Message::HaveNone.into()));
    assert_eq!(peer.next().await, Some(Message::Have { piece: 4 }.into()));
    node.stop().await;
}

#[tokio::test]
async fn blocks_go_out_to_who_is_unchoked_in_the_order_of_the_requests() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 10).await;
    let mut peer = Scripted::connect(&node, true, 7).await;
    peer.say(Message::Request(spec(0, 0, BLOCK))).await;
    peer.hears(Message::Reject(spec(0, 0, BLOCK))).await;
    peer.say(Message::Interested).await;
    peer.hears(Message::Unchoke).await;
    let asked = [spec(9, 3, 997), spec(2, 1, 30000), spec(2, 30001, 5), spec(8, 0, 65536), spec(0, 0, 1)];
    for block in asked {
        peer.say(Message::Request(block)).await;
    }
    for block in asked {
        let from = 65536 * block.piece as usize + block.begin as usize;
        let expected = content[from..from + block.length as usize].to_vec();
        assert_eq!(peer.next().await, Some(Said::Block(block, expected)));
    }
    let sent = node.transport.uploads().totals(0).sent;
    assert_eq!(sent, asked.iter().map(|block| u64::from(block.length)).sum::<u64>());
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_is_not_what_it_was_is_served_no_more() {
    for has_fast in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let content = content(LENGTH);
        let metainfo = torrent(&content, 64 << 10);
        let mut node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
        let mut peer = Scripted::connect(&node, has_fast, 7).await;
        peer.say(Message::Interested).await;
        peer.hears(Message::Unchoke).await;
        node.truncate();
        peer.say(Message::Request(spec(1, 0, BLOCK))).await;
        if has_fast {
            peer.hears(Message::Reject(spec(1, 0, BLOCK))).await;
        } else {
            peer.is_left().await;
            assert_eq!(node.lost().await.0, "what is shared here has changed");
        }
        assert!(node.offering().is_withdrawn() && !node.offering().is_complete());
        node.stop().await;
    }
}

#[tokio::test]
async fn a_system_that_lacks_descriptors_for_a_moment_costs_a_moment_and_no_torrent() {
    for has_fast in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let content = content(LENGTH);
        let metainfo = torrent(&content, 64 << 10);
        let mut node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
        let mut peer = Scripted::connect(&node, has_fast, 7).await;
        peer.say(Message::Interested).await;
        peer.hears(Message::Unchoke).await;
        node.exhaust(true);
        peer.say(Message::Request(spec(1, 0, BLOCK))).await;
        if has_fast {
            peer.hears(Message::Reject(spec(1, 0, BLOCK))).await;
        } else {
            peer.is_left().await;
            assert!(node.lost().await.1, "it may come again");
            peer = Scripted::connect(&node, has_fast, 8).await;
            peer.say(Message::Interested).await;
            peer.hears(Message::Unchoke).await;
        }
        node.exhaust(false);
        peer.say(Message::Request(spec(1, 0, BLOCK))).await;
        let expected = content[65536..][..BLOCK as usize].to_vec();
        assert_eq!(peer.next().await, Some(Said::Block(spec(1, 0, BLOCK), expected)));
        node.stop().await;
    }
}

#[tokio::test]
async fn every_request_is_answered_also_where_the_wire_has_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 0).await;
    let mut peer = Scripted::called(&node, false, 7).await;
    peer.say(Message::Bitfield(&[0xff, 0xc0])).await;
    peer.say(Message::Unchoke).await;
    let WireEvent::Joined { wire, have: Have::All, choked: true } = node.event().await else {
        panic!("no peer")
    };
    assert!(matches!(node.event().await, WireEvent::Unchoked));
    let geometry = *metainfo.geometry();
    let blocks: Vec<Block> = geometry.blocks(geometry.piece(1).unwrap(), BLOCK).collect();
    for block in &blocks {
        wire.request(*block);
    }
    peer.hears(Message::Request(blocks[3].into())).await;
    wire.cancel(blocks[1]);
    assert!(matches!(node.event().await, WireEvent::Rejected(gone) if gone == [blocks[1]]));
    peer.hears(Message::Cancel(blocks[1].into())).await;
    // The cancelled block was on its way; it is let pass, and nobody hears of it.
    for block in &blocks[..2] {
        let from = 65536 + block.begin as usize;
        peer.send_block((*block).into(), &content[from..from + BLOCK as usize]).await;
    }
    peer.say(Message::Choke).await;
    let mut heard = Vec::new();
    while heard.last() != Some(&"rejected") {
        heard.push(match node.event().await {
            WireEvent::Bytes { .. } => continue,
            WireEvent::Blocks { blocks: came, .. } => {
                assert!(came.len() == 1 && came[0].0 == blocks[0]);
                assert_eq!(came[0].1.bytes(), &content[65536..65536 + BLOCK as usize]);
                "block"
            }
            WireEvent::Choked => "choked",
            WireEvent::Rejected(gone) => {
                assert_eq!(gone, blocks[2..]);
                "rejected"
            }
            _ => "other",
        });
    }
    assert_eq!(heard, ["block", "choked", "rejected"]);
    wire.request(blocks[0]);
    assert!(matches!(node.event().await, WireEvent::Rejected(gone) if gone == [blocks[0]]));
    node.stop().await;
}

#[tokio::test]
async fn two_peers_that_have_everything_part() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = Scripted::connect(&node, true, 7).await;
    peer.say(Message::HaveAll).await;
    assert!(matches!(node.event().await, WireEvent::Joined { have: Have::All, .. }));
    node.store(metainfo.geometry().last_piece().unwrap(), &content[9 << 16..]);
    peer.is_left().await;
    assert_eq!(node.lost().await, ("both sides have everything".to_owned(), false));
    node.stop().await;
}

#[tokio::test]
async fn a_peer_that_says_nothing_takes_part_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(LENGTH);
    let metainfo = torrent(&content, 64 << 10);
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let mut peer = Scripted::connect(&node, true, 7).await;
    let WireEvent::Joined { wire, .. } = node.event().await else { panic!("no peer") };
    assert!(wire.is_inbound() && wire.client() == "Peerdex 0.2");
    // It is not too late to say what it has.
    peer.say(Message::Bitfield(&[0x40, 0])).await;
    assert!(matches!(node.event().await, WireEvent::Has { piece } if piece.get() == 1));
    // Nor to say so again: some name many pieces at once later on.
    peer.say(Message::Bitfield(&[0x60, 0])).await;
    assert!(matches!(node.event().await, WireEvent::Has { piece } if piece.get() == 2));
    wire.close();
    peer.is_left().await;
    assert_eq!(node.lost().await, ("we closed the connection".to_owned(), false));
    drop(peer);
    node.stop().await;
}

/// Bytes that nobody asks for.
#[derive(Debug)]
struct Nowhere;

impl PieceBytes for Nowhere {
    fn segments(&self, _block: Block) -> io::Result<Option<Vec<Segment>>> {
        Ok(None)
    }
}

/// Makes a torrent join as soon as it is asked for.
#[derive(Debug)]
struct Ready {
    wires: Wires,
    offering: Arc<Offering>,
    membership: Mutex<Option<Membership>>,
}

impl Ready {
    fn resolve_for(wires: &Wires, offering: Arc<Offering>) -> Arc<Self> {
        let ready = Arc::new(Self { wires: wires.clone(), offering, membership: Mutex::default() });
        wires.set_resolver(Arc::clone(&ready) as Arc<dyn Resolver>);
        ready
    }
}

impl Resolver for Ready {
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
async fn a_torrent_may_join_when_somebody_comes_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (content, other) = (content(LENGTH), content(LENGTH / 2));
    let (metainfo, later) = (torrent(&content, 64 << 10), torrent(&other, 64 << 10));
    let mut node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let nothing = Bitfield::empty(later.geometry());
    let offering = Arc::new(Offering::new(Arc::clone(&later), &nothing, Arc::new(Nowhere)));
    let wires = node.wires.clone();
    let ready = Ready::resolve_for(&wires, offering);
    node.metainfo = Arc::clone(&later);
    let mut peer = Scripted::connect(&node, true, 7).await;
    assert_eq!(peer.next().await, Some(Message::HaveNone.into()));
    assert!(wires.has(later.infohash()) && wires.connected() == 1);
    drop(ready.membership.lock().take());
    peer.is_left().await;
    assert!(!wires.has(later.infohash()));
    node.stop().await;
}

#[tokio::test]
async fn a_torrent_may_join_when_only_its_key_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let (content, other) = (content(LENGTH), content(LENGTH / 2));
    let (metainfo, later) = (torrent(&content, 64 << 10), torrent(&other, 64 << 10));
    let node = Node::start(dir.path(), 1, &content, &metainfo, 9).await;
    let nothing = Bitfield::empty(later.geometry());
    let offering = Arc::new(Offering::new(Arc::clone(&later), &nothing, Arc::new(Nowhere)));
    let ready = Ready::resolve_for(&node.wires, offering);
    let fetcher = Node::start(dir.path(), 2, &other, &later, 0).await;
    let dialled = fetcher.membership.dial(node.address, Approach::Encrypted).await;
    assert_eq!(dialled.unwrap(), Approach::Encrypted);
    assert!(node.wires.has(later.infohash()));
    drop(ready.membership.lock().take());
    fetcher.stop().await;
    node.stop().await;
}
