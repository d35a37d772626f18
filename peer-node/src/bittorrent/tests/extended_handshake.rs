use protocol::bittorrent::{BitTorrentMessage, ExtendedHandshake, ReservedBits};
use protocol::limits::MAX_BITTORRENT_REQUESTS;

use super::node::{WireTestNode, content, torrent};
use super::scripted_peer::{ScriptedPeer, SentByNode};
use crate::bittorrent::WireEvent;

/// Starts a node without content and a peer that supports the extension protocol.
async fn node_and_peer(dir: &std::path::Path) -> (WireTestNode, ScriptedPeer) {
    let content = content(3 << 16);
    let node = WireTestNode::start(dir, 1, &content, &torrent(&content, 1 << 16), 0).await;
    let peer = ScriptedPeer::connect_as(&node, ReservedBits::ours(), 9).await;
    (node, peer)
}

/// Sends an extended message from the peer.
async fn send_extended(peer: &mut ScriptedPeer, extension: u8, body: &[u8]) {
    peer.send_message(BitTorrentMessage::Extended { extension, body }).await;
}

/// Returns the request limit, which must be the next event.
async fn next_request_limit(node: &mut WireTestNode) -> usize {
    match node.next_event().await {
        WireEvent::RequestLimit { requests } => requests,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn our_request_limit_is_sent_first() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut peer) = node_and_peer(dir.path()).await;
    let ours = ExtendedHandshake { requests: Some(MAX_BITTORRENT_REQUESTS) }.encode();
    let expected = BitTorrentMessage::Extended { extension: ExtendedHandshake::ID, body: &ours };
    assert_eq!(peer.next().await, Some(SentByNode::from(expected)));
    assert_eq!(peer.next().await, Some(SentByNode::from(BitTorrentMessage::HaveNone)));
    node.stop().await;
}

#[tokio::test]
async fn request_limit_is_reported_after_join_and_on_change() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, mut peer) = node_and_peer(dir.path()).await;
    send_extended(&mut peer, ExtendedHandshake::ID, b"d4:reqqi100ee").await;
    peer.send_message(BitTorrentMessage::HaveAll).await;
    assert!(matches!(node.next_event().await, WireEvent::Joined { .. }));
    assert_eq!(next_request_limit(&mut node).await, 100);
    // A repetition, another extension and garbage report nothing new.
    send_extended(&mut peer, ExtendedHandshake::ID, b"d4:reqqi100ee").await;
    send_extended(&mut peer, 1, b"d4:reqqi7ee").await;
    send_extended(&mut peer, ExtendedHandshake::ID, b"rubbish").await;
    send_extended(&mut peer, ExtendedHandshake::ID, b"d4:reqqi50ee").await;
    assert_eq!(next_request_limit(&mut node).await, 50);
    // Of a large limit a few requests stay unused.
    send_extended(&mut peer, ExtendedHandshake::ID, b"d4:reqqi512ee").await;
    assert_eq!(next_request_limit(&mut node).await, 510);
    node.stop().await;
}

#[tokio::test]
async fn a_peer_without_reqq_has_no_request_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, mut peer) = node_and_peer(dir.path()).await;
    peer.send_message(BitTorrentMessage::HaveAll).await;
    send_extended(&mut peer, ExtendedHandshake::ID, b"d1:mdee").await;
    assert!(matches!(node.next_event().await, WireEvent::Joined { .. }));
    assert_eq!(next_request_limit(&mut node).await, usize::MAX);
    node.stop().await;
}
