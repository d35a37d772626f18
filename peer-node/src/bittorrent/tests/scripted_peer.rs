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

/// Time limit of every expected event.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What a node has sent: an encoded message, or a block.
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

/// A peer controlled by a test.
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

/// Returns the reserved bits of a client with or without the fast extension.
fn reserved_bits(has_fast: bool) -> ReservedBits {
    ReservedBits::from_bytes([0, 0, 0, 0, 0, 0, 0, if has_fast { 4 } else { 0 }])
}

fn handshake_with(infohash: Infohash, reserved: ReservedBits, number: u8) -> [u8; 68] {
    BitTorrentHandshake { reserved, infohash, peer_id: PeerId::ours([number; 12]) }.encode()
}

impl ScriptedPeer {
    /// Connects to a node and performs the handshake.
    pub(super) async fn connect(node: &WireTestNode, has_fast: bool, number: u8) -> Self {
        Self::connect_as(node, reserved_bits(has_fast), number).await
    }

    /// Connects to a node with the given reserved bits.
    pub(super) async fn connect_as(node: &WireTestNode, reserved: ReservedBits, number: u8) -> Self {
        let stream = TcpStream::connect(node.address).await.unwrap();
        Self::shake_hands(stream, node, reserved, number).await
    }

    /// Accepts a connection from a node and performs the handshake.
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
        // The node may have closed the connection already.
        let _ = self.stream.write_all(bytes).await;
    }

    pub(super) async fn send_block(&mut self, block: BlockSpec, bytes: &[u8]) {
        self.send(&[&block_head(block), bytes].concat()).await;
    }

    /// Returns the next message or block from the node; none if it closes the connection.
    pub(super) async fn next(&mut self) -> Option<SentByNode> {
        let mut block: Option<(BlockSpec, Vec<u8>)> = None;
        loop {
            let mut input = self.unread.as_slice();
            while let Some(item) = self.decoder.next(&mut input).unwrap() {
                let received = match item {
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
                if received.is_some() {
                    self.unread = input.to_vec();
                    return received;
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

    /// Waits for a message from the node.
    pub(super) async fn expect(&mut self, message: BitTorrentMessage<'_>) {
        let expected = SentByNode::from(message);
        while self.next().await.expect("the node closed the connection") != expected {}
    }

    /// Waits until the node closes the connection.
    pub(super) async fn expect_close(&mut self) {
        while self.next().await.is_some() {}
    }
}
