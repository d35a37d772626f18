//! A scripted index on loopback, for tests.

use std::time::Duration;

use protocol::features::IndexFeatures;
use protocol::frame::{FrameBuffer, encode_frame};
use protocol::index::{IndexMessage, ListSummary, Notice, Reply, Request, RequestEnvelope, RequestId};
use protocol::limits::MAX_FRAME;
use protocol::preamble::{self, Service, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::model_list::ModelList;

/// The nonce of every challenge.
pub(super) const NONCE: [u8; 32] = [7; 32];

/// The default features of the index.
pub(super) const FEATURES: IndexFeatures = IndexFeatures::from_bits(1 << 63);

/// The time of the index's clock.
pub(super) const CLOCK: u64 = 1000;

/// Timeout of every wait in a test.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct ScriptedIndex {
    listener: TcpListener,
}

impl ScriptedIndex {
    pub(super) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(super) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Accepts a connection without sending anything.
    pub(super) async fn accept(&self) -> ScriptedConnection {
        let (stream, _) =
            timeout(TEST_TIMEOUT, self.listener.accept()).await.expect("no connection").unwrap();
        ScriptedConnection {
            stream,
            frames: FrameBuffer::with_limit(MAX_FRAME),
            port: 0,
            version: Version::Two,
            features: FEATURES,
        }
    }

    /// Accepts a connection and completes the handshake.
    pub(super) async fn welcome(&self, list: ListSummary) -> ScriptedConnection {
        let mut connection = self.accept().await;
        connection.greet(list).await;
        connection
    }
}

/// A node's connection.
pub(super) struct ScriptedConnection {
    stream: TcpStream,
    frames: FrameBuffer,
    port: u16,
    /// The protocol version of this connection.
    pub(super) version: Version,
    /// The features that the index announces.
    pub(super) features: IndexFeatures,
}

impl ScriptedConnection {
    pub(super) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Closes the sending side.
    pub(super) async fn close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub(super) async fn exchange_preambles(&mut self) {
        let mut theirs = [0; 8];
        timeout(TEST_TIMEOUT, self.stream.read_exact(&mut theirs)).await.expect("no preamble").unwrap();
        assert_eq!(theirs, preamble::encode(Service::Index, self.version));
        self.send_raw(&preamble::encode(Service::Index, self.version)).await;
    }

    pub(super) async fn greet(&mut self, list: ListSummary) {
        self.greet_with(list, None).await;
    }

    /// Completes the handshake, and sends a notice together with the welcome.
    pub(super) async fn greet_with(&mut self, list: ListSummary, more: Option<fn(&Self) -> Notice>) {
        self.exchange_preambles().await;
        let hello = self.next_request().await;
        let challenge = match (self.version, hello.request) {
            (Version::One, Request::Hello { port, .. }) => {
                self.port = port;
                Reply::Challenge { nonce: NONCE }
            }
            (Version::Two, Request::Greet { port, .. }) => {
                self.port = port;
                Reply::Greeting { nonce: NONCE, features: self.features, time: CLOCK }
            }
            (version, request) => panic!("{request:?} in {version:?}"),
        };
        self.reply(hello.id, challenge).await;
        let proof = self.next_request().await;
        assert!(matches!(proof.request, Request::Proof { .. }), "{proof:?}");
        let reply = Reply::Welcome { you: self.seen_address(), lease: 90, list };
        let mut bytes = Vec::new();
        encode_frame(&IndexMessage::Reply { id: proof.id, reply }, &mut bytes).unwrap();
        if let Some(more) = more {
            encode_frame(&IndexMessage::Notice(more(self)), &mut bytes).unwrap();
        }
        self.send_raw(&bytes).await;
    }

    /// Returns the address at which the index sees the node.
    pub(super) fn seen_address(&self) -> std::net::SocketAddr {
        let mut address = self.stream.peer_addr().unwrap();
        address.set_port(self.port);
        address
    }

    /// Waits for the next request.
    pub(super) async fn next_request(&mut self) -> RequestEnvelope {
        timeout(TEST_TIMEOUT, self.next_or_end()).await.expect("no request").expect("the node disconnected")
    }

    /// Waits until the node closes the connection; ignores further requests.
    pub(super) async fn wait_for_close(&mut self) {
        timeout(TEST_TIMEOUT, async { while self.next_or_end().await.is_some() {} })
            .await
            .expect("the node did not disconnect");
    }

    async fn next_or_end(&mut self) -> Option<RequestEnvelope> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            if let Some(message) = self.frames.next_message().unwrap() {
                return Some(message);
            }
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.frames.extend(&chunk[..read]),
            }
        }
    }

    pub(super) async fn reply(&mut self, id: RequestId, reply: Reply) {
        self.send(IndexMessage::Reply { id, reply }).await;
    }

    pub(super) async fn send_notice(&mut self, notice: Notice) {
        self.send(IndexMessage::Notice(notice)).await;
    }

    async fn send(&mut self, message: IndexMessage) {
        let mut bytes = Vec::new();
        encode_frame(&message, &mut bytes).unwrap();
        self.send_raw(&bytes).await;
    }

    /// Replies to the given number of list requests as an index with `model` would. Returns the requests.
    pub(super) async fn serve_list(&mut self, model: &mut ModelList, requests: usize) -> Vec<Request> {
        let mut seen = Vec::new();
        while seen.len() < requests {
            let RequestEnvelope { id, request } = self.next_request().await;
            self.reply(id, model.answer(&request)).await;
            seen.push(request);
        }
        seen
    }
}
