//! The upload slots of BitTorrent peers are shared by address.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use protocol::infohash::Infohash;
use tests::eventually::{SOON, until};
use tests::fetcher::Fetcher;
use tests::foreign::{RawWire, Scene};
use tests::torrent_peer::{TorrentPeer, address};
use tests::wire::connect_stream_from;

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;

const BLOCK: u32 = 16 << 10;
const MIB: u64 = 1 << 20;

/// How many blocks each connection has requested at once.
const PIPELINE: u32 = 32;

/// Fetches over so many connections from an address.
fn leech(seed: SocketAddr, from: IpAddr, connections: u8, infohash: Infohash) -> Fetcher {
    let open = (0..connections).map(|_| connect_stream_from(from, seed).expect("a port that accepts"));
    let open = open.map(|stream| (stream.try_clone().expect("a descriptor"), stream));
    Fetcher::over(open, move |stream, received| fetch(stream, infohash, received))
}

/// Fetches the blocks of the first piece while the seed serves this connection.
fn fetch(stream: TcpStream, infohash: Infohash, received: &AtomicU64) -> Result<()> {
    let mut id = *b"-RP0001-story client";
    let (_, unique) = id.split_at_mut(18);
    unique.copy_from_slice(&stream.local_addr()?.port().to_be_bytes());
    let mut wire = RawWire::over(stream)?;
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
        leech(address(&seed.running), [127, 0, 0, last].into(), connections, scene.infohash)
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
