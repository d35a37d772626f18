//! Peers that download over many connections as fast as they are served, and discard the content.

use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Result, bail};
use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};

use crate::content::{PIECE_LENGTH, TestContent};
use crate::wire::FrameConnection;

/// Number of blocks that each connection requests at once.
const PIPELINE_DEPTH: u32 = 8;

/// The only channel of each connection.
const CHANNEL: u32 = 1;

/// Downloads one content repeatedly from one address; stops when it is dropped.
#[derive(Debug)]
pub struct GreedyDownloader {
    received: Arc<AtomicU64>,
    connections: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl GreedyDownloader {
    /// Opens `connections` connections to a peer from an address, which may be any loopback address, and requests
    /// content that consists of full pieces. Connections that the peer refuses are skipped.
    pub fn start(peer: SocketAddr, from: IpAddr, connections: u8, content: &TestContent) -> Self {
        let wires = (0..connections).filter_map(|number| connect_and_greet(peer, from, number).ok());
        let wires = wires.map(|wire| (wire.stream().try_clone().expect("a descriptor"), wire));
        let digest = content.digest;
        let pieces = u32::try_from(content.bytes.len() / PIECE_LENGTH).expect("a small file");
        Self::run_over(wires, move |mut wire, received| {
            wire.send(&PeerMessage::Open { channel: CHANNEL, digest })?;
            request_endlessly(&mut wire, pieces, received)
        })
    }

    /// Runs `request_endlessly` over each connection, in a thread of its own, until the connection ends, and counts the
    /// bytes received.
    pub fn run_over<W: Send + 'static>(
        connections: impl IntoIterator<Item = (TcpStream, W)>,
        fetch: impl Fn(W, &AtomicU64) -> Result<()> + Clone + Send + 'static,
    ) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let (mut open, mut threads) = (Vec::new(), Vec::new());
        for (stream, wire) in connections {
            open.push(stream);
            let (received, fetch) = (Arc::clone(&received), fetch.clone());
            // The thread ends with its connection.
            threads.push(thread::spawn(move || drop(fetch(wire, &received))));
        }
        Self { received, connections: open, threads }
    }

    /// Returns the number of connections that the peer has accepted.
    pub const fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Returns the number of content bytes received.
    pub fn bytes_received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for GreedyDownloader {
    fn drop(&mut self) {
        for stream in self.connections.drain(..) {
            // The peer may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            // A panicked thread has already printed its message.
            let _ = thread.join();
        }
    }
}

fn connect_and_greet(peer: SocketAddr, from: IpAddr, number: u8) -> Result<FrameConnection> {
    let mut wire = FrameConnection::connect_from(from, peer)?;
    wire.greet(NodeId::from_bytes([number; 32]), 40_000)?;
    Ok(wire)
}

fn request_endlessly(wire: &mut FrameConnection, pieces: u32, received: &AtomicU64) -> Result<()> {
    let length = u32::try_from(PIECE_LENGTH)?;
    let (mut next, mut outstanding, mut is_served) = (0, 0, false);
    loop {
        while is_served && outstanding < PIPELINE_DEPTH {
            let block = BlockRef { channel: CHANNEL, piece: next % pieces, begin: 0, length };
            wire.send(&PeerMessage::Request(block))?;
            (next, outstanding) = (next + 1, outstanding + 1);
        }
        match wire.receive()? {
            PeerMessage::Unchoke => is_served = true,
            PeerMessage::Choke { .. } => is_served = false,
            PeerMessage::Reject(_) => outstanding -= 1,
            PeerMessage::Block(_) => {
                received.fetch_add(wire.receive_raw(PIECE_LENGTH)?.len() as u64, Ordering::SeqCst);
                outstanding -= 1;
            }
            PeerMessage::NotShared { .. } => bail!("the content is not shared"),
            _ => {}
        }
    }
}
