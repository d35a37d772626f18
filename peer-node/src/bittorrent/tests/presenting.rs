use protocol::bittorrent::{ExtendedHandshake, Message, Reserved};
use protocol::limits::MAX_WIRE_REQUESTS;

use super::node::{Node, content, torrent};
use super::scripted::{Said, Scripted};
use crate::bittorrent::WireEvent;

/// Starts a node that has nothing, and a peer that speaks the extension protocol with it.
async fn node_and_peer(dir: &std::path::Path) -> (Node, Scripted) {
    let content = content(3 << 16);
    let node = Node::start(dir, 1, &content, &torrent(&content, 1 << 16), 0).await;
    let peer = Scripted::connect_as(&node, Reserved::ours(), 9).await;
    (node, peer)
}

/// Has the peer say something of itself.
async fn present(peer: &mut Scripted, extension: u8, body: &[u8]) {
    peer.say(Message::Extended { extension, body }).await;
}

/// Returns how many requests the peer takes, which must be the next thing that is told.
async fn told(node: &mut Node) -> usize {
    match node.event().await {
        WireEvent::Takes { requests } => requests,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn how_many_requests_may_wait_here_is_said_first() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut peer) = node_and_peer(dir.path()).await;
    let ours = ExtendedHandshake { requests: Some(MAX_WIRE_REQUESTS) }.encode();
    let said = Message::Extended { extension: ExtendedHandshake::ID, body: &ours };
    assert_eq!(peer.next().await, Some(Said::from(said)));
    assert_eq!(peer.next().await, Some(Said::from(Message::HaveNone)));
    node.stop().await;
}

#[tokio::test]
async fn what_a_peer_takes_is_told_behind_its_coming_and_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, mut peer) = node_and_peer(dir.path()).await;
    present(&mut peer, ExtendedHandshake::ID, b"d4:reqqi100ee").await;
    peer.say(Message::HaveAll).await;
    assert!(matches!(node.event().await, WireEvent::Joined { .. }));
    assert_eq!(told(&mut node).await, 100);
    // The same again, something else, and rubbish say nothing new.
    present(&mut peer, ExtendedHandshake::ID, b"d4:reqqi100ee").await;
    present(&mut peer, 1, b"d4:reqqi7ee").await;
    present(&mut peer, ExtendedHandshake::ID, b"rubbish").await;
    present(&mut peer, ExtendedHandshake::ID, b"d4:reqqi50ee").await;
    assert_eq!(told(&mut node).await, 50);
    // Of many not quite all.
    present(&mut peer, ExtendedHandshake::ID, b"d4:reqqi512ee").await;
    assert_eq!(told(&mut node).await, 510);
    node.stop().await;
}

#[tokio::test]
async fn a_peer_that_names_no_limit_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, mut peer) = node_and_peer(dir.path()).await;
    peer.say(Message::HaveAll).await;
    present(&mut peer, ExtendedHandshake::ID, b"d1:mdee").await;
    assert!(matches!(node.event().await, WireEvent::Joined { .. }));
    assert_eq!(told(&mut node).await, usize::MAX);
    node.stop().await;
}
