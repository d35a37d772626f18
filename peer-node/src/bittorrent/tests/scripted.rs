use std::time::Duration;

use protocol::bittorrent::{BlockSpec, Decoder, Handshake, Item, Message, PeerId, Reserved, block_head};
use protocol::infohash::Infohash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::node::Node;
use crate::bittorrent::Approach;

/// How long anything may take that is to happen.
const SOON: Duration = Duration::from_secs(20);

/// What a node has said: a message, encoded, or a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Message(Vec<u8>),
    Block(BlockSpec, Vec<u8>),
}

impl From<Message<'_>> for Said {
    fn from(message: Message<'_>) -> Self {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        Self::Message(bytes)
    }
}

/// A peer that says what a test tells it to.
#[derive(Debug)]
pub(super) struct Scripted {
    stream: TcpStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

/// Returns a handshake for a node's torrent.
pub(super) fn handshake(infohash: Infohash, has_fast: bool, number: u8) -> [u8; 68] {
    handshake_with(infohash, speaking(has_fast), number)
}

/// Returns what a client announces that speaks the fast extension, or nothing besides the original protocol.
fn speaking(has_fast: bool) -> Reserved {
    Reserved::from_bytes([0, 0, 0, 0, 0, 0, 0, if has_fast { 4 } else { 0 }])
}

fn handshake_with(infohash: Infohash, reserved: Reserved, number: u8) -> [u8; 68] {
    Handshake { reserved, infohash, peer_id: PeerId::ours([number; 12]) }.encode()
}

impl Scripted {
    /// Connects to a node and greets it.
    pub(super) async fn connect(node: &Node, has_fast: bool, number: u8) -> Self {
        Self::connect_as(node, speaking(has_fast), number).await
    }

    /// Connects to a node and greets it as a client that announces this.
    pub(super) async fn connect_as(node: &Node, reserved: Reserved, number: u8) -> Self {
        let stream = TcpStream::connect(node.address).await.unwrap();
        Self::greet(stream, node, reserved, number).await
    }

    /// Has a node connect, and greets it.
    pub(super) async fn called(node: &Node, has_fast: bool, number: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answered = async {
            let (stream, _) = listener.accept().await.unwrap();
            Self::greet(stream, node, speaking(has_fast), number).await
        };
        let (dialled, scripted) = tokio::join!(node.membership.dial(address, Approach::Plain), answered);
        dialled.unwrap();
        scripted
    }

    async fn greet(mut stream: TcpStream, node: &Node, reserved: Reserved, number: u8) -> Self {
        stream.write_all(&handshake_with(node.metainfo.infohash(), reserved, number)).await.unwrap();
        let mut theirs = [0; 68];
        stream.read_exact(&mut theirs).await.unwrap();
        Self { stream, decoder: Decoder::new(node.metainfo.geometry()), unread: Vec::new() }
    }

    pub(super) async fn say(&mut self, message: Message<'_>) {
        let Said::Message(bytes) = message.into() else { return };
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
    pub(super) async fn next(&mut self) -> Option<Said> {
        let mut block: Option<(BlockSpec, Vec<u8>)> = None;
        loop {
            let mut input = self.unread.as_slice();
            while let Some(item) = self.decoder.next(&mut input).unwrap() {
                let said = match item {
                    Item::Message(message) => Some(message.into()),
                    Item::Block(head) => {
                        block = Some((head, Vec::new()));
                        None
                    }
                    Item::Bytes(bytes) => {
                        let (head, data) = block.as_mut().unwrap();
                        data.extend_from_slice(bytes);
                        (data.len() == head.length as usize).then(|| Said::Block(*head, data.clone()))
                    }
                };
                if said.is_some() {
                    self.unread = input.to_vec();
                    return said;
                }
            }
            self.unread = input.to_vec();
            let mut bytes = [0; 4096];
            let count = tokio::time::timeout(SOON, self.stream.read(&mut bytes)).await.expect("an answer");
            match count {
                Ok(count @ 1..) => self.unread.extend_from_slice(&bytes[..count]),
                _ => return None,
            }
        }
    }

    /// Waits until the node says that.
    pub(super) async fn hears(&mut self, message: Message<'_>) {
        let expected = Said::from(message);
        while self.next().await.expect("the node stays") != expected {}
    }

    /// Waits until the node leaves.
    pub(super) async fn is_left(&mut self) {
        while self.next().await.is_some() {}
    }
}
