//! The upload slots of BitTorrent peers are shared by address.

use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Result;
use protocol::infohash::Infohash;
use socket2::{Domain, Socket, Type};
use tests::eventually::{SOON, until};
use tests::foreign::{RawWire, Scene};
use tests::torrent_peer::{TorrentPeer, address};

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;

const BLOCK: u32 = 16 << 10;
const MIB: u64 = 1 << 20;

/// How many blocks each connection has requested at once.
const PIPELINE: u32 = 32;

/// Connections from one address that fetch the same piece over and over; they end when this is dropped.
struct Leech {
    received: Arc<AtomicU64>,
    open: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Leech {
    fn begin(seed: SocketAddr, from: IpAddr, connections: u8, infohash: Infohash) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let (mut open, mut threads) = (Vec::new(), Vec::new());
        for number in 0..connections {
            let stream = connect(from, seed).expect("a port that accepts");
            open.push(stream.try_clone().expect("a descriptor"));
            let received = Arc::clone(&received);
            // It ends with its connection.
            threads.push(thread::spawn(move || drop(fetch(stream, (infohash, number), &received))));
        }
        Self { received, open, threads }
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for Leech {
    fn drop(&mut self) {
        for stream in self.open.drain(..) {
            // The seed may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn connect(from: IpAddr, seed: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(seed), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect(&seed.into())?;
    Ok(socket.into())
}

/// Fetches the blocks of the first piece while the seed serves this connection.
fn fetch(stream: TcpStream, (infohash, number): (Infohash, u8), received: &AtomicU64) -> Result<()> {
    let last = stream.local_addr()?.port().to_be_bytes();
    let mut wire = RawWire::over(stream)?;
    let mut id = *b"-RP0001-story client";
    (id[17], id[18], id[19]) = (number, last[0], last[1]);
    wire.send_raw(&RawWire::handshake(infohash, id))?;
    wire.read_handshake()?;
    wire.send(INTERESTED, &[])?;
    let (mut outstanding, mut is_served) = (0, false);
    loop {
        while is_served && outstanding < PIPELINE {
            let begin = outstanding % 2 * BLOCK;
            wire.send(REQUEST, &[0, begin, BLOCK].map(u32::to_be_bytes).concat())?;
            outstanding += 1;
        }
        let message = wire.receive()?;
        match message.id {
            // Without the extension for it, what was requested is forgotten with a choke.
            CHOKE => (is_served, outstanding) = (false, 0),
            UNCHOKE => is_served = true,
            PIECE => {
                outstanding = outstanding.saturating_sub(1);
                received.fetch_add(message.payload.len() as u64, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

#[test]
fn a_bittorrent_peer_gets_its_share_beside_an_address_with_many_connections() {
    let scene = Scene::by_hand(996);
    let seed = scene.seed_alone(&TorrentPeer::with(&["--limit-loopback", "--max-upload-rate", "4M"]));
    let begin = |last, connections| {
        Leech::begin(address(&seed.running), [127, 0, 0, last].into(), connections, scene.infohash)
    };
    let greedy = begin(2, 16);
    until("the greedy address to be served", SOON, || greedy.received() > MIB);
    let honest = begin(3, 1);
    until("the honest one to be served", SOON, || honest.received() > 0);
    let before = (greedy.received(), honest.received());
    let arrived = || (greedy.received() - before.0, honest.received() - before.1);
    until("four seconds' worth to arrive", SOON, || arrived().0 + arrived().1 > 16 * MIB);
    let (greedy, honest) = arrived();
    assert!(honest * 10 >= greedy * 7, "{honest} bytes beside {greedy} of 16 connections");
}
