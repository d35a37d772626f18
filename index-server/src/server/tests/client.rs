use std::collections::VecDeque;
use std::net::SocketAddr;

use ed25519_dalek::{Signer, SigningKey};
use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::frame::{FrameBuffer, encode_frame};
use protocol::index::{
    ContentSource, FileRecord, Hit, IndexMessage, ListSummary, Notice, Refusal, Reply, Request,
    RequestEnvelope, Share, proof_text,
};
use protocol::limits::MAX_FRAME;
use protocol::node_id::NodeId;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, Service, Version};
use protocol::probe::probe_answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::with_timeout;

/// A raw client connection that can send anything.
pub(super) struct TestClient {
    pub(super) stream: TcpStream,
    buffer: FrameBuffer,
    notices: VecDeque<Notice>,
    id: u64,
    /// The nonce of the index's challenge.
    nonce: [u8; 32],
}

/// A node's key and port; answers probes on the port while it exists.
pub(super) struct TestIndexNode {
    key: SigningKey,
    listener: Option<TcpListener>,
    pub(super) port: u16,
    probe_answerer: Option<AbortOnDropHandle<()>>,
}

impl TestIndexNode {
    pub(super) async fn new(seed: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let key = SigningKey::from_bytes(&[seed; 32]);
        Self { key, listener: Some(listener), port, probe_answerer: None }
    }

    /// Closes the port, so that the node cannot be probed.
    pub(super) fn stop_listening(&mut self) {
        self.listener = None;
        self.probe_answerer = None;
    }

    /// Hands over the listener; probes are then answered by the caller only.
    pub(super) fn take_listener(&mut self) -> TcpListener {
        self.listener.take().unwrap()
    }

    /// Opens the port again for the session of `client`.
    pub(super) async fn listen_again(&mut self, port: u16, client: &TestClient) {
        self.listener = Some(TcpListener::bind(("127.0.0.1", port)).await.unwrap());
        self.answer_probes(client.nonce);
    }

    pub(super) fn id(&self) -> NodeId {
        NodeId::from_bytes(self.key.verifying_key().to_bytes())
    }

    pub(super) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(super) fn hello(&self) -> Request {
        Request::Hello { node: self.id(), port: self.port, agent: "test".into() }
    }

    /// Returns the greeting of version 2.
    pub(super) fn greet(&self) -> Request {
        let features = IndexFeatures::from_bits(1 << 63);
        Request::Greet { node: self.id(), port: self.port, agent: "test".into(), features }
    }

    pub(super) fn proof(&self, nonce: &[u8; 32]) -> Request {
        let signature = self.key.sign(&proof_text(nonce, &self.id(), self.port)).to_bytes();
        Request::Proof { signature }
    }

    /// Answers probes for one session from now on.
    fn answer_probes(&mut self, nonce: [u8; 32]) {
        let Some(listener) = self.listener.take() else { return };
        self.probe_answerer = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                answer_probe(stream, nonce).await;
            }
        })));
    }

    /// Connects and authenticates; returns the summary of the list that the index has kept.
    pub(super) async fn connect(&mut self, index: SocketAddr) -> (TestClient, ListSummary) {
        let mut client = TestClient::open(index).await;
        let Reply::Challenge { nonce } = client.ask(self.hello()).await else { panic!("no challenge") };
        client.nonce = nonce;
        self.answer_probes(nonce);
        match client.ask(self.proof(&nonce)).await {
            Reply::Welcome { you, list, .. } => {
                assert_eq!(you, self.address());
                (client, list)
            }
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// Connects, and waits until the index has reached the node's port.
    pub(super) async fn join(&mut self, index: SocketAddr) -> TestClient {
        let (mut client, _) = self.connect(index).await;
        assert_eq!(client.notice().await, Notice::Reachable { address: self.address() });
        client
    }
}

async fn answer_probe(mut stream: TcpStream, nonce: [u8; 32]) {
    let mut buffer = FrameBuffer::with_limit(MAX_FRAME);
    let mut bytes = [0; 8];
    if stream.read_exact(&mut bytes).await.is_err() {
        return;
    }
    assert_eq!(preamble::check(bytes, Service::Peer), Ok(Version::One));
    stream.write_all(&preamble::encode(Service::Peer, Version::One)).await.unwrap();
    let challenge = loop {
        if let Some(PeerMessage::Probe { challenge }) = buffer.next_message().unwrap() {
            break challenge;
        }
        let mut bytes = [0; 100];
        let read = stream.read(&mut bytes).await.unwrap();
        buffer.extend(&bytes[..read]);
    };
    let mut answer = Vec::new();
    encode_frame(&PeerMessage::ProbeAnswer { answer: probe_answer(&nonce, &challenge) }, &mut answer)
        .unwrap();
    stream.write_all(&answer).await.unwrap();
}

impl TestClient {
    /// Connects without sending anything.
    pub(super) async fn dial(index: SocketAddr) -> Self {
        let stream = TcpStream::connect(index).await.unwrap();
        let buffer = FrameBuffer::with_limit(MAX_FRAME);
        Self { stream, buffer, notices: VecDeque::new(), id: 0, nonce: [0; 32] }
    }

    /// Connects and exchanges preambles.
    pub(super) async fn open(index: SocketAddr) -> Self {
        Self::open_version(index, Version::One).await
    }

    /// Connects and exchanges preambles of a given version.
    pub(super) async fn open_version(index: SocketAddr, version: Version) -> Self {
        let mut client = Self::dial(index).await;
        client.write_raw(&preamble::encode(Service::Index, version)).await;
        assert_eq!(client.read_raw(8).await, preamble::encode(Service::Index, version));
        client
    }

    pub(super) async fn write_raw(&mut self, bytes: &[u8]) {
        with_timeout(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Reads exactly `len` bytes.
    pub(super) async fn read_raw(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        with_timeout(self.stream.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads until the index closes the connection; returns the number of bytes.
    pub(super) async fn read_to_end(&mut self) -> usize {
        let mut bytes = Vec::new();
        // A reset counts as closed.
        let _ = with_timeout(self.stream.read_to_end(&mut bytes)).await;
        bytes.len()
    }

    /// Returns the next message; `None` if the index has closed the connection.
    pub(super) async fn message(&mut self) -> Option<IndexMessage> {
        loop {
            if let Some(message) = self.buffer.next_message().unwrap() {
                return Some(message);
            }
            let mut bytes = [0; 4096];
            match with_timeout(self.stream.read(&mut bytes)).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.buffer.extend(&bytes[..read]),
            }
        }
    }

    pub(super) async fn send(&mut self, request: Request) -> u64 {
        self.id += 1;
        let mut bytes = Vec::new();
        encode_frame(&RequestEnvelope { id: self.id, request }, &mut bytes).unwrap();
        self.write_raw(&bytes).await;
        self.id
    }

    /// Sends a request and returns its reply; notices received before it are queued.
    pub(super) async fn ask(&mut self, request: Request) -> Reply {
        let sent = self.send(request).await;
        self.reply(sent).await
    }

    /// Sends requests without waiting, and returns their replies.
    pub(super) async fn ask_together(&mut self, requests: &[Request]) -> Vec<Reply> {
        let mut bytes = Vec::new();
        let first = self.id + 1;
        for request in requests {
            self.id += 1;
            encode_frame(&RequestEnvelope { id: self.id, request: request.clone() }, &mut bytes).unwrap();
        }
        self.write_raw(&bytes).await;
        let mut replies = Vec::new();
        for id in first..=self.id {
            replies.push(self.reply(id).await);
        }
        replies
    }

    pub(super) async fn reply(&mut self, sent: u64) -> Reply {
        loop {
            match self.message().await.expect("the index has closed the connection") {
                IndexMessage::Notice(notice) => self.notices.push_back(notice),
                IndexMessage::Reply { id, reply } => {
                    assert_eq!(id, sent);
                    return reply;
                }
            }
        }
    }

    pub(super) async fn notice(&mut self) -> Notice {
        if let Some(notice) = self.notices.pop_front() {
            return notice;
        }
        match self.message().await {
            Some(IndexMessage::Notice(notice)) => notice,
            other => panic!("no notice: {other:?}"),
        }
    }

    pub(super) async fn register(&mut self, files: Vec<FileRecord>) -> ListSummary {
        self.summary(Request::Register { files }).await
    }

    pub(super) async fn summary(&mut self, request: Request) -> ListSummary {
        match self.ask(request).await {
            Reply::List(summary) => summary,
            other => panic!("no summary: {other:?}"),
        }
    }

    pub(super) async fn search(&mut self, query: &str) -> Vec<Hit> {
        match self.ask(Request::Search { query: query.into(), after: None, limit: 200 }).await {
            Reply::Hits { hits, .. } => hits,
            other => panic!("no hits: {other:?}"),
        }
    }

    pub(super) async fn locate(&mut self, digest: Digest) -> Vec<ContentSource> {
        match self.ask(Request::Locate { digest, limit: 200 }).await {
            Reply::Sources { sources } => sources,
            other => panic!("no sources: {other:?}"),
        }
    }

    /// Sends a greeting; returns true if the index refuses the connection as busy.
    pub(super) async fn expect_rejection(mut self, node: &TestIndexNode) -> bool {
        self.send(node.hello()).await;
        matches!(
            self.message().await,
            None | Some(IndexMessage::Notice(Notice::Refused(Refusal::Busy { .. })))
        )
    }

    /// Asserts that the connection ends without a further message.
    pub(super) async fn expect_end(mut self) {
        let more = self.message().await;
        assert!(more.is_none(), "{more:?}");
    }

    /// Returns the refusal that is sent as a notice.
    pub(super) async fn refusal(&mut self) -> Refusal {
        match self.notice().await {
            Notice::Refused(refusal) => refusal,
            other => panic!("no refusal: {other:?}"),
        }
    }
}

pub(super) fn file(path: &str, content: u8) -> FileRecord {
    let digest = Digest::from_bytes([content; 32]);
    FileRecord { path: path.into(), size: 1000 + u64::from(content), digest, share: Share::Complete }
}

/// Returns the summary of files as a node computes it.
pub(super) fn sum(files: &[FileRecord]) -> ListSummary {
    let mut summary = ListSummary::default();
    for file in files {
        summary.add(file);
    }
    summary
}
