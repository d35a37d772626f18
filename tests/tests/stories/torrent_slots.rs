//! Upload slots for BitTorrent peers are shared by address.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use protocol::infohash::Infohash;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::greedy_downloader::GreedyDownloader;
use tests::third_party::{RawWire, TorrentFixture};
use tests::torrent_peer::{TorrentPeer, listen_address};
use tests::wire::connect_stream_from;

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;

const BLOCK_LENGTH: u32 = 16 << 10;
const MIB: u64 = 1 << 20;

/// Number of blocks that each connection requests at once.
const PIPELINE_DEPTH: u32 = 32;

/// Downloads over several connections from one address.
fn start_leecher(seed: SocketAddr, from: IpAddr, connections: u8, infohash: Infohash) -> GreedyDownloader {
    let open = (0..connections).map(|_| connect_stream_from(from, seed).expect("a connection"));
    let open = open.map(|stream| (stream.try_clone().expect("a descriptor"), stream));
    GreedyDownloader::run_over(open, move |stream, received| download_endlessly(stream, infohash, received))
}

/// Downloads the blocks of the first piece while the seed has unchoked this connection.
fn download_endlessly(stream: TcpStream, infohash: Infohash, received: &AtomicU64) -> Result<()> {
    let mut id = *b"-RP0001-story client";
    let (_, unique) = id.split_at_mut(18);
    unique.copy_from_slice(&stream.local_addr()?.port().to_be_bytes());
    let mut wire = RawWire::from_stream(stream)?;
    wire.send_raw(&RawWire::handshake(infohash, id))?;
    wire.read_handshake()?;
    wire.send(INTERESTED, &[])?;
    let (mut outstanding, mut is_served) = (0, false);
    loop {
        while is_served && outstanding < PIPELINE_DEPTH {
            let begin = outstanding % 2 * BLOCK_LENGTH;
            wire.send(REQUEST, &[0, begin, BLOCK_LENGTH].map(u32::to_be_bytes).concat())?;
            outstanding += 1;
        }
        let message = wire.receive()?;
        match message.id {
            // Without the fast extension, a choke discards the outstanding requests.
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
fn peer_gets_its_share_beside_a_greedy_address() {
    let fixture = TorrentFixture::by_hand(996);
    let seed =
        fixture.start_only_seed(&TorrentPeer::with_options(&["--limit-loopback", "--max-upload-rate", "4M"]));
    let begin = |last, connections| {
        start_leecher(listen_address(&seed.client), [127, 0, 0, last].into(), connections, fixture.infohash)
    };
    let greedy = begin(2, 16);
    wait_until("the greedy address to be served", DEFAULT_TIMEOUT, || greedy.bytes_received() > MIB);
    let honest = begin(3, 1);
    wait_until("the honest peer to be served", DEFAULT_TIMEOUT, || honest.bytes_received() > 0);
    let before = (greedy.bytes_received(), honest.bytes_received());
    let arrived = || (greedy.bytes_received() - before.0, honest.bytes_received() - before.1);
    wait_until("content of four seconds to arrive", DEFAULT_TIMEOUT, || arrived().0 + arrived().1 > 16 * MIB);
    let (greedy, honest) = arrived();
    assert!(honest * 10 >= greedy * 7, "{honest} bytes beside {greedy} of 16 connections");
}
