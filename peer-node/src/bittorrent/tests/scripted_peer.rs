use std::time::Duration;

use protocol::bittorrent::{
    BitTorrentDecoder, BitTorrentHandshake, BitTorrentItem, BitTorrentMessage, BlockSpec, PeerId,
    ReservedBits, block_head,
};
use protocol::infohash::Infohash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::node::WireTestNode;
use crate::bittorrent::ConnectMode;

/// How long anything may take that is to happen.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What a node has said: a message, encoded, or a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SentByNode {
    Message(Vec<u8>),
    Block(BlockSpec, Vec<u8>),
}

impl From<BitTorrentMessage<'_>> for SentByNode {
    fn from(message: BitTorrentMessage<'_>) -> Self {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        Self::Message(bytes)
    }
}

/// A peer that says what a test tells it to.
#[derive(Debug)]
pub(super) struct ScriptedPeer {
    stream: TcpStream,
    decoder: BitTorrentDecoder,
    unread: Vec<u8>,
}

/// Returns a handshake for a node's torrent.
pub(super) fn handshake(infohash: Infohash, has_fast: bool, number: u8) -> [u8; 68] {
    handshake_with(infohash, reserved_bits(has_fast), number)
}

/// Returns what a client announces that speaks the fast extension, or nothing besides the original protocol.
fn reserved_bits(has_fast: bool) -> ReservedBits {
    ReservedBits::from_bytes([0, 0, 0, 0, 0, 0, 0, if has_fast { 4 } else { 0 }])
}

fn handshake_with(infohash: Infohash, reserved: ReservedBits, number: u8) -> [u8; 68] {
    BitTorrentHandshake { reserved, infohash, peer_id: PeerId::ours([number; 12]) }.encode()
}

impl ScriptedPeer {
    /// Connects to a node and greets it.
    pub(super) async fn connect(node: &WireTestNode, has_fast: bool, number: u8) -> Self {
        Self::connect_as(node, reserved_bits(has_fast), number).await
    }

    /// Connects to a node and greets it as a client that announces this.
    pub(super) async fn connect_as(node: &WireTestNode, reserved: ReservedBits, number: u8) -> Self {
        let stream = TcpStream::connect(node.address).await.unwrap();
        Self::shake_hands(stream, node, reserved, number).await
    }

    /// Has a node connect, and greets it.
    pub(super) async fn accept_from(node: &WireTestNode, has_fast: bool, number: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answered = async {
            let (stream, _) = listener.accept().await.unwrap();
            Self::shake_hands(stream, node, reserved_bits(has_fast), number).await
        };
        let (dialled, scripted) = tokio::join!(node.membership.dial(address, ConnectMode::Plain), answered);
        dialled.unwrap();
        scripted
    }

    async fn shake_hands(
        mut stream: TcpStream,
        node: &WireTestNode,
        reserved: ReservedBits,
        number: u8,
    ) -> Self {
        stream.write_all(&handshake_with(node.metainfo.infohash(), reserved, number)).await.unwrap();
        let mut theirs = [0; 68];
        stream.read_exact(&mut theirs).await.unwrap();
        Self { stream, decoder: BitTorrentDecoder::new(node.metainfo.geometry()), unread: Vec::new() }
    }

    pub(super) async fn send_message(&mut self, message: BitTorrentMessage<'_>) {
        let SentByNode::Message(bytes) = message.into() else { return };
        self.send(&bytes).await;
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        // The node may have left already: then there is nothing to say.
        let _ = self.stream.write_all(bytes).await;
    }

    pub(super) async fn send_block(&mut self, block: BlockSpec, bytes: &[u8]) {
        self.send(&[&block_head(block), bytes].concat()).await;
    }

    /// Returns the next thing that the node says, or nothing if it leaves.
    pub(super) async fn next(&mut self) -> Option<SentByNode> {
        let mut block: Option<(BlockSpec, Vec<u8>)> = None;
        loop {
            let mut input = self.unread.as_slice();
            while let Some(item) = self.decoder.next(&mut input).unwrap() {
                let said = match item {
                    BitTorrentItem::Message(message) => Some(message.into()),
                    BitTorrentItem::Block(head) => {
                        block = Some((head, Vec::new()));
                        None
                    }
                    BitTorrentItem::Bytes(bytes) => {
                        let (head, data) = block.as_mut().unwrap();
                        data.extend_from_slice(bytes);
                        (data.len() == head.length as usize).then(|| SentByNode::Block(*head, data.clone()))
                    }
                };
                if said.is_some() {
                    self.unread = input.to_vec();
                    return said;
                }
            }
            self.unread = input.to_vec();
            let mut bytes = [0; 4096];
            let count = tokio::time::timeout(TIMEOUT, self.stream.read(&mut bytes)).await.expect("an answer");
            match count {
                Ok(count @ 1..) => self.unread.extend_from_slice(&bytes[..count]),
                _ => return None,
            }
        }
    }

    /// Waits until the node says that.
    pub(super) async fn expect(&mut self, message: BitTorrentMessage<'_>) {
        let expected = SentByNode::from(message);
        while self.next().await.expect("the node stays") != expected {}
    }

    /// Waits until the node leaves.
    pub(super) async fn expect_close(&mut self) {
        while self.next().await.is_some() {}
    }
}
