//! Peers that fetch as fast as they are served, over as many connections as they like, and keep nothing.

use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Result, bail};
use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};

use crate::content::{Content, PIECE};
use crate::wire::Wire;

/// How many blocks each connection has requested at once.
const PIPELINE: u32 = 8;

/// The only channel of each connection.
const CHANNEL: u32 = 1;

/// Whoever fetches one content over and over from one address; stops when dropped.
#[derive(Debug)]
pub struct Fetcher {
    received: Arc<AtomicU64>,
    open: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Fetcher {
    /// Connects to a peer so many times from an address, which may be any of the loopback's, and requests a content of whole
    /// pieces. Connections that the peer refuses are left out.
    pub fn begin(peer: SocketAddr, from: IpAddr, connections: u8, content: &Content) -> Self {
        let wires = (0..connections).filter_map(|number| greet(peer, from, number).ok());
        let wires = wires.map(|wire| (wire.stream().try_clone().expect("a descriptor"), wire));
        let digest = content.digest;
        let pieces = u32::try_from(content.bytes.len() / PIECE).expect("a small file");
        Self::over(wires, move |mut wire, received| {
            wire.send(&PeerMessage::Open { channel: CHANNEL, digest })?;
            fetch(&mut wire, pieces, received)
        })
    }

    /// Runs `fetch` over each connection, in a thread of its own, until the connection ends; it counts what arrives.
    pub fn over<W: Send + 'static>(
        connections: impl IntoIterator<Item = (TcpStream, W)>,
        fetch: impl Fn(W, &AtomicU64) -> Result<()> + Clone + Send + 'static,
    ) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let (mut open, mut threads) = (Vec::new(), Vec::new());
        for (stream, wire) in connections {
            open.push(stream);
            let (received, fetch) = (Arc::clone(&received), fetch.clone());
            // It ends with its connection.
            threads.push(thread::spawn(move || drop(fetch(wire, &received))));
        }
        Self { received, open, threads }
    }

    /// Returns how many connections the peer has accepted.
    pub const fn connections(&self) -> usize {
        self.open.len()
    }

    /// Returns how many bytes of content have arrived.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        for stream in self.open.drain(..) {
            // The peer may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn greet(peer: SocketAddr, from: IpAddr, number: u8) -> Result<Wire> {
    let mut wire = Wire::connect_from(from, peer)?;
    wire.greet(NodeId::from_bytes([number; 32]), 40_000)?;
    Ok(wire)
}

fn fetch(wire: &mut Wire, pieces: u32, received: &AtomicU64) -> Result<()> {
    let length = u32::try_from(PIECE)?;
    let (mut next, mut outstanding, mut is_served) = (0, 0, false);
    loop {
        while is_served && outstanding < PIPELINE {
            let block = BlockRef { channel: CHANNEL, piece: next % pieces, begin: 0, length };
            wire.send(&PeerMessage::Request(block))?;
            (next, outstanding) = (next + 1, outstanding + 1);
        }
        match wire.receive()? {
            PeerMessage::Unchoke => is_served = true,
            PeerMessage::Choke { .. } => is_served = false,
            PeerMessage::Reject(_) => outstanding -= 1,
            PeerMessage::Block(_) => {
                received.fetch_add(wire.receive_raw(PIECE)?.len() as u64, Ordering::SeqCst);
                outstanding -= 1;
            }
            PeerMessage::NotShared { .. } => bail!("the content is not shared"),
            _ => {}
        }
    }
}
