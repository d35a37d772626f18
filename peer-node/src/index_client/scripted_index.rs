//! An index for tests that does what it is told, on loopback.

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

/// What the index announces unless it is told otherwise.
pub(super) const FEATURES: IndexFeatures = IndexFeatures::from_bits(1 << 63);

/// What its clock shows.
pub(super) const CLOCK: u64 = 1000;

/// A test that waits longer has failed.
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

    /// Accepts a connection and says nothing.
    pub(super) async fn accept(&self) -> ScriptedConnection {
        let (stream, _) = timeout(TEST_TIMEOUT, self.listener.accept()).await.expect("nobody comes").unwrap();
        ScriptedConnection {
            stream,
            frames: FrameBuffer::with_limit(MAX_FRAME),
            port: 0,
            version: Version::Two,
            features: FEATURES,
        }
    }

    /// Accepts a connection and lets the node in that comes.
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
    /// The version that the index speaks with this node.
    pub(super) version: Version,
    /// What the index announces to this node.
    pub(super) features: IndexFeatures,
}

impl ScriptedConnection {
    pub(super) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Says nothing more.
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

    /// Greets, and says something more in the same breath as the welcome.
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

    /// Where the node is seen.
    pub(super) fn seen_address(&self) -> std::net::SocketAddr {
        let mut you = self.stream.peer_addr().unwrap();
        you.set_port(self.port);
        you
    }

    /// Waits for the next request.
    pub(super) async fn next_request(&mut self) -> RequestEnvelope {
        timeout(TEST_TIMEOUT, self.next_or_end())
            .await
            .expect("no request comes")
            .expect("the node went away")
    }

    /// Waits until the node closes the connection, whatever it says before.
    pub(super) async fn wait_for_close(&mut self) {
        timeout(TEST_TIMEOUT, async { while self.next_or_end().await.is_some() {} })
            .await
            .expect("the node stays");
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

    /// Answers as many requests about the list as an index that keeps `model` would. Gives the requests.
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
