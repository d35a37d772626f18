//! A benchmark node: its connection to the index and the port that answers reachability probes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use ed25519_dalek::Signer;
use protocol::frame::{FrameBuffer, encode_frame};
use protocol::index::{IndexMessage, Notice, Reply, Request, RequestEnvelope, proof_text};
use protocol::limits::MAX_FRAME;
use protocol::node_id::NodeId;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, PREAMBLE_LEN, Service, Version};
use protocol::probe::probe_answer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::index_session::signing_key;

/// Interval at which a node renews its lease.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(20);

/// An encoded message that can be sent repeatedly.
pub(super) type EncodedFrame = Vec<u8>;

/// Encodes a request as a frame.
pub(super) fn encode_request(request: Request) -> EncodedFrame {
    let mut frame = Vec::new();
    encode_frame(&RequestEnvelope { id: 7, request }, &mut frame).expect("a request that fits a frame");
    frame
}

/// A connection whose peer has sent its preamble.
#[derive(Debug)]
pub(super) struct IndexConnection {
    stream: TcpStream,
    frames: FrameBuffer,
    buffer: Vec<u8>,
}

impl IndexConnection {
    async fn open(mut stream: TcpStream, service: Service) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.write_all(&preamble::encode(service, Version::One)).await?;
        let mut bytes = [0; PREAMBLE_LEN];
        stream.read_exact(&mut bytes).await?;
        preamble::check(bytes, service)?;
        Ok(Self { stream, frames: FrameBuffer::with_limit(MAX_FRAME), buffer: vec![0; 64 << 10] })
    }

    /// Logs in as the node with a given seed; the index probes the given port.
    pub(super) async fn log_in(index: SocketAddr, seed: u64, port: u16) -> Result<(Self, [u8; 32])> {
        let mut link = Self::open(TcpStream::connect(index).await?, Service::Index).await?;
        let key = signing_key(seed);
        let node = NodeId::from_bytes(key.verifying_key().to_bytes());
        let reply =
            link.request(&encode_request(Request::Hello { node, port, agent: "benchmark".into() })).await?;
        let Reply::Challenge { nonce } = reply else { bail!("expected a challenge, got {reply:?}") };
        let signature = key.sign(&proof_text(&nonce, &node, port)).to_bytes();
        match link.request(&encode_request(Request::Proof { signature })).await? {
            Reply::Welcome { .. } => Ok((link, nonce)),
            other => bail!("expected a welcome, got {other:?}"),
        }
    }

    /// Sends a request and waits for its reply.
    pub(super) async fn request(&mut self, frame: &[u8]) -> Result<Reply> {
        self.stream.write_all(frame).await?;
        loop {
            match self.next_message().await? {
                IndexMessage::Reply { reply, .. } => return Ok(reply),
                IndexMessage::Notice(Notice::Reachable { .. } | Notice::Unreachable { .. }) => {}
                IndexMessage::Notice(notice) => bail!("the index sent {notice:?}"),
            }
        }
    }

    async fn next_message<M: bincode::Decode<()>>(&mut self) -> Result<M> {
        loop {
            if let Some(message) = self.frames.next_message()? {
                return Ok(message);
            }
            match self.stream.read(&mut self.buffer).await? {
                0 => bail!("the index closed the connection"),
                read => self.frames.extend(&self.buffer[..read]),
            }
        }
    }
}

/// Registrations to send one after the other; the sender is notified when each is acknowledged.
#[derive(Debug)]
pub(super) struct RegistrationBatch {
    pub(super) frames: Vec<EncodedFrame>,
    pub(super) done: oneshot::Sender<Vec<Duration>>,
}

/// Joins the index, waits for the reachability probe, and then processes batches in a task of its own.
pub(super) async fn join(index: SocketAddr, seed: u64) -> Result<mpsc::Sender<RegistrationBatch>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (mut link, nonce) = IndexConnection::log_in(index, seed, listener.local_addr()?.port()).await?;
    answer_probe(&listener, &nonce).await?;
    match link.next_message().await? {
        IndexMessage::Notice(Notice::Reachable { .. }) => {}
        other => bail!("the index sent {other:?}"),
    }
    let (sender, orders) = mpsc::channel(1);
    tokio::spawn(async move {
        let _port = listener;
        // A node that fails drops its batch, and the sender of the batch notices.
        let _ = run_batches(link, orders).await;
    });
    Ok(sender)
}

async fn answer_probe(listener: &TcpListener, nonce: &[u8; 32]) -> Result<()> {
    let (stream, _) = listener.accept().await?;
    let mut caller = IndexConnection::open(stream, Service::Peer).await?;
    let PeerMessage::Probe { challenge } = caller.next_message().await? else {
        bail!("the index sent no probe")
    };
    let mut frame = Vec::new();
    encode_frame(&PeerMessage::ProbeAnswer { answer: probe_answer(nonce, &challenge) }, &mut frame)?;
    caller.stream.write_all(&frame).await?;
    // The index closes the connection.
    let _ = caller.stream.read(&mut [0]).await;
    Ok(())
}

async fn run_batches(mut link: IndexConnection, mut orders: mpsc::Receiver<RegistrationBatch>) -> Result<()> {
    let mut renewals = interval(RENEWAL_INTERVAL);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let renewal = encode_request(Request::Renew);
    loop {
        tokio::select! {
            batch = orders.recv() => {
                let Some(RegistrationBatch { frames, done }) = batch else { return Ok(()) };
                let mut times = Vec::with_capacity(frames.len());
                for frame in frames {
                    let start = std::time::Instant::now();
                    match link.request(&frame).await? {
                        Reply::List(_) => times.push(start.elapsed()),
                        other => bail!("the registration got the reply {other:?}"),
                    }
                }
                // The sender of the batch may have stopped waiting.
                let _ = done.send(times);
            }
            _ = renewals.tick() => drop(link.request(&renewal).await?),
        }
    }
}
