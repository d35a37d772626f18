//! A BitTorrent client as a tracker sees it: requests over plain HTTP and their replies.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::infohash::Infohash;
use protocol::tracker::{
    AnnounceReply, AnnounceRequest, ScrapeEntry, ScrapeReply, ScrapeRequest, TrackerEvent, TrackerFailure,
};
use socket2::{Domain, Socket, Type};

const IO_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends requests to a tracker from one address, which may be any loopback address.
#[derive(Debug, Clone, Copy)]
pub struct HttpTrackerClient {
    tracker: SocketAddr,
    from: SocketAddr,
}

/// Returns an announce of an incomplete client.
pub fn leecher_announce(infohash: Infohash, port: u16) -> AnnounceRequest {
    AnnounceRequest {
        infohash,
        peer_id: *b"-XX0001-storyteller0",
        port,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: Some(TrackerEvent::Started),
        numwant: None,
        compact: true,
        no_peer_id: true,
        key: None,
        tracker_id: None,
        ip: None,
    }
}

impl HttpTrackerClient {
    /// Creates a client with the tracker's own address.
    pub fn new(tracker: SocketAddr) -> Self {
        Self { tracker, from: SocketAddr::new(tracker.ip(), 0) }
    }

    /// Creates a client with another address of this machine.
    pub fn from_address(tracker: SocketAddr, from: [u8; 4]) -> Self {
        Self { tracker, from: (from, 0).into() }
    }

    /// Connects to the tracker.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(self.tracker), Type::STREAM, None)?;
        socket.bind(&self.from.into())?;
        socket.connect_timeout(&self.tracker.into(), IO_TIMEOUT)?;
        socket.set_read_timeout(Some(IO_TIMEOUT))?;
        socket.set_write_timeout(Some(IO_TIMEOUT))?;
        Ok(socket.into())
    }

    /// Fetches a page and returns the body.
    pub fn get(&self, target: &str) -> io::Result<Vec<u8>> {
        let mut stream = self.connect()?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.tracker)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        let header = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let header = header.ok_or_else(|| io::Error::other("the reply has no HTTP header"))?;
        Ok(reply.split_off(header + 4))
    }

    /// Announces a client.
    pub fn announce(&self, request: &AnnounceRequest) -> Result<AnnounceReply, TrackerFailure> {
        let body = self.get(&format!("/announce?{}", request.query())).expect("the tracker replies");
        AnnounceReply::parse(&body).expect("a valid announce reply")
    }

    /// Announces a client and returns the peers in the reply, in order.
    pub fn announce_for_peers(&self, request: &AnnounceRequest) -> Vec<SocketAddr> {
        let reply = self.announce(request).expect("no refusal");
        let mut peers: Vec<_> = reply.peers.into_iter().map(|peer| peer.address).collect();
        peers.sort_unstable();
        peers
    }

    /// Returns the peer counts of a torrent.
    pub fn scrape(&self, infohash: Infohash) -> ScrapeEntry {
        let query = ScrapeRequest { infohashes: vec![infohash] }.query();
        let body = self.get(&format!("/scrape?{query}")).expect("the tracker replies");
        let reply = ScrapeReply::parse(&body).expect("a valid scrape reply").expect("an accepted scrape");
        reply.torrents.into_iter().find(|(found, _)| *found == infohash).expect("the torrent").1
    }
}
