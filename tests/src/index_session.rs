//! A connection to the index that follows the protocol: the observer in stories, and the honest half of hostile peers.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Result, bail};
use ed25519_dalek::{Signer, SigningKey};
use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::index::{
    ContentSource, FileRecord, Hit, IndexMessage, ListSummary, NodeAddress, Notice, PeerRef, Reply, Request,
    RequestEnvelope, Statistics, proof_text,
};
use protocol::limits::{MAX_BATCH, MAX_HITS, MAX_LISTING, MAX_SOURCES};
use protocol::node_id::NodeId;
use protocol::preamble::{Service, Version};

use crate::wire::FrameConnection;

/// A session that the index has welcomed.
#[derive(Debug)]
pub struct IndexSession {
    wire: FrameConnection,
    next_id: u64,
    /// Unsolicited messages of the index, in order.
    notices: Vec<Notice>,
    /// The welcome of the index.
    pub welcome: Welcome,
    /// The reserved port that the session claims, unless the caller holds it.
    claimed_port: Option<TcpListener>,
}

/// The content of a welcome.
#[derive(Debug, Clone, Copy)]
pub struct Welcome {
    /// The node's id.
    pub node: NodeId,
    /// The nonce for answering probes.
    pub nonce: [u8; 32],
    /// The node's address as the index sees it.
    pub seen_address: SocketAddr,
    /// The duration of the lease.
    pub lease: Duration,
    /// The index's summary of the node's list.
    pub list: ListSummary,
}

/// Returns an ed25519 key from a seed.
pub fn signing_key(seed: u64) -> SigningKey {
    let mut bytes = [0; 32];
    crate::content::Noise::from_seed(seed).fill(&mut bytes);
    SigningKey::from_bytes(&bytes)
}

impl IndexSession {
    /// Logs in as a new node whose port does not answer, for searches only.
    pub fn open(index: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let key = signing_key(u64::from(listener.local_addr()?.port()));
        Self::open_as(index, &key, listener)
    }

    /// Logs in with a given key and a port that does not answer.
    pub fn open_as(index: SocketAddr, key: &SigningKey, listener: TcpListener) -> Result<Self> {
        let port = listener.local_addr()?.port();
        let (wire, nonce) = Self::hello(index, key, port)?;
        let mut session = Self::prove(wire, nonce, key, port)?;
        session.claimed_port = Some(listener);
        Ok(session)
    }

    /// Logs in as a new node with a port on which nothing listens, without reserving the port.
    pub fn open_unreachable(index: SocketAddr, seed: u64) -> Result<Self> {
        let (key, port) = (signing_key(seed), 1);
        let (wire, nonce) = Self::hello(index, &key, port)?;
        Self::prove(wire, nonce, &key, port)
    }

    /// Sends the first message and returns the challenge nonce. Speaks version 1 to an index of the previous release.
    pub fn hello(index: SocketAddr, key: &SigningKey, port: u16) -> Result<(FrameConnection, [u8; 32])> {
        match FrameConnection::connect_version(index, Service::Index, Version::Two) {
            Ok(wire) => Self::greet(wire, key, port),
            Err(_) => Self::hello_in_version_1(index, key, port),
        }
    }

    /// Sends the first message like [`IndexSession::hello`], from a given address of this machine.
    pub fn hello_from(
        from: IpAddr,
        index: SocketAddr,
        key: &SigningKey,
        port: u16,
    ) -> Result<(FrameConnection, [u8; 32])> {
        Self::greet(
            FrameConnection::connect_service_from(from, index, (Service::Index, Version::Two))?,
            key,
            port,
        )
    }

    fn greet(mut wire: FrameConnection, key: &SigningKey, port: u16) -> Result<(FrameConnection, [u8; 32])> {
        let node = NodeId::from_bytes(key.verifying_key().to_bytes());
        let (agent, features) = ("story".into(), IndexFeatures::ANY_NAMES.with(IndexFeatures::BUDGETS));
        wire.send(&RequestEnvelope { id: 0, request: Request::Greet { node, port, agent, features } })?;
        match wire.receive()? {
            IndexMessage::Reply { id: 0, reply: Reply::Greeting { nonce, .. } } => Ok((wire, nonce)),
            other => bail!("expected a challenge, got {other:?}"),
        }
    }

    fn hello_in_version_1(
        index: SocketAddr,
        key: &SigningKey,
        port: u16,
    ) -> Result<(FrameConnection, [u8; 32])> {
        let mut wire = FrameConnection::connect(index, Service::Index)?;
        let node = NodeId::from_bytes(key.verifying_key().to_bytes());
        wire.send(&RequestEnvelope { id: 0, request: Request::Hello { node, port, agent: "story".into() } })?;
        match wire.receive()? {
            IndexMessage::Reply { id: 0, reply: Reply::Challenge { nonce } } => Ok((wire, nonce)),
            other => bail!("expected a challenge, got {other:?}"),
        }
    }

    /// Sends the proof and waits for the welcome.
    pub fn prove(mut wire: FrameConnection, nonce: [u8; 32], key: &SigningKey, port: u16) -> Result<Self> {
        let node = NodeId::from_bytes(key.verifying_key().to_bytes());
        let signature = key.sign(&proof_text(&nonce, &node, port)).to_bytes();
        wire.send(&RequestEnvelope { id: 1, request: Request::Proof { signature } })?;
        let (you, lease, list) = match wire.receive()? {
            IndexMessage::Reply { id: 1, reply: Reply::Welcome { you, lease, list } } => (you, lease, list),
            other => bail!("expected a welcome, got {other:?}"),
        };
        let welcome =
            Welcome { node, nonce, seen_address: you, lease: Duration::from_secs(u64::from(lease)), list };
        Ok(Self { wire, next_id: 2, notices: Vec::new(), welcome, claimed_port: None })
    }

    /// Sends a request and waits for its reply.
    pub fn call(&mut self, request: Request) -> Result<Reply> {
        let id = self.next_id;
        self.next_id += 1;
        self.wire.send(&RequestEnvelope { id, request })?;
        loop {
            match self.wire.receive()? {
                IndexMessage::Reply { id: answered, reply } if answered == id => return Ok(reply),
                IndexMessage::Notice(notice) => self.notices.push(notice),
                other @ IndexMessage::Reply { .. } => bail!("unexpected reply: {other:?}"),
            }
        }
    }

    /// Returns the next unsolicited message of the index, waiting for it if necessary.
    pub fn next_notice(&mut self) -> Result<Notice> {
        if !self.notices.is_empty() {
            return Ok(self.notices.remove(0));
        }
        match self.wire.receive()? {
            IndexMessage::Notice(notice) => Ok(notice),
            other @ IndexMessage::Reply { .. } => bail!("unexpected reply: {other:?}"),
        }
    }

    /// Registers files and waits until the index has stored them.
    pub fn register(&mut self, files: &[FileRecord]) -> Result<()> {
        for batch in files.chunks(MAX_BATCH) {
            match self.call(Request::Register { files: batch.to_vec() })? {
                Reply::List(_) => {}
                other => bail!("the registration got the reply {other:?}"),
            }
        }
        Ok(())
    }

    /// Searches and returns the first page.
    pub fn search(&mut self, query: &str) -> Vec<Hit> {
        match self.call(Request::Search { query: query.into(), after: None, limit: MAX_HITS }) {
            Ok(Reply::Hits { hits, .. }) => hits,
            other => panic!("searching {query:?} got {other:?}"),
        }
    }

    /// Returns the connected sources of a content.
    pub fn sources(&mut self, digest: Digest) -> Vec<ContentSource> {
        self.sources_up_to(digest, MAX_SOURCES)
    }

    /// Returns at most `limit` sources of a content.
    pub fn sources_up_to(&mut self, digest: Digest, limit: u16) -> Vec<ContentSource> {
        match self.call(Request::Locate { digest, limit }) {
            Ok(Reply::Sources { sources }) => sources,
            other => panic!("locating {digest} got {other:?}"),
        }
    }

    /// Reports unreachable nodes. Returns how many of them the index probes because of the report.
    pub fn report_unreachable(&mut self, nodes: &[NodeAddress]) -> u32 {
        match self.call(Request::ReportUnreachable { nodes: nodes.to_vec() }) {
            Ok(Reply::Checking { nodes }) => nodes,
            other => panic!("the report got the reply {other:?}"),
        }
    }

    /// Returns the complete list of the peer at `address`, or an empty list if there is none.
    pub fn files_of(&mut self, address: SocketAddr) -> Vec<FileRecord> {
        let (mut all, mut after) = (Vec::<FileRecord>::new(), None);
        loop {
            let peer = PeerRef::Address(address);
            match self.call(Request::Browse { peer, after: after.take(), limit: MAX_LISTING }) {
                Ok(Reply::Listing { files, more, .. }) => {
                    all.extend(files);
                    if !more {
                        return all;
                    }
                    after = all.last().map(|file| file.path.clone());
                }
                Ok(Reply::Refused(_)) => return all,
                other => panic!("browsing {address} got {other:?}"),
            }
        }
    }

    /// Returns the statistics of the index.
    pub fn statistics(&mut self) -> Statistics {
        match self.call(Request::Statistics) {
            Ok(Reply::Statistics(statistics)) => statistics,
            other => panic!("the statistics request got {other:?}"),
        }
    }
}
