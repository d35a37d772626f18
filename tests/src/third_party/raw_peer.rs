use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use protocol::infohash::Infohash;

use super::{RawWire, TorrentFixture};
use crate::content::TestContent;

mod conversation;
mod lie;

pub use lie::TorrentLie;

/// A scripted BitTorrent peer that has a complete file and misbehaves as specified on every connection; its connections
/// end when it is dropped.
#[derive(Debug)]
pub struct RawPeer {
    state: Arc<RawPeerState>,
    acceptor: Option<JoinHandle<()>>,
}

/// State that all connections of one peer share.
#[derive(Debug)]
struct RawPeerState {
    address: SocketAddr,
    infohash: Infohash,
    content: TestContent,
    lie: TorrentLie,
    handshakes: AtomicUsize,
    requests_received: AtomicUsize,
    disconnects: AtomicUsize,
    stopped: AtomicBool,
    /// True once the peer may speak, with a condition variable for changes.
    has_begun: (Mutex<bool>, Condvar),
    connections: Mutex<Vec<TcpStream>>,
}

impl RawPeer {
    /// Listens as a seeder of a single-file fixture and adds the peer to its tracker.
    pub fn join(fixture: &TorrentFixture, lie: TorrentLie) -> Self {
        let peer = Self::listen(fixture, lie);
        fixture.tracker.add_seeder(peer.address());
        peer
    }

    /// Listens as an honest peer that sends nothing until [`RawPeer::resume`], and adds the peer to the tracker.
    pub fn join_paused(fixture: &TorrentFixture) -> Self {
        let peer = Self::start(fixture, TorrentLie::None, false);
        fixture.tracker.add_seeder(peer.address());
        peer
    }

    /// Listens without adding the peer to a tracker.
    pub fn listen(fixture: &TorrentFixture, lie: TorrentLie) -> Self {
        Self::start(fixture, lie, true)
    }

    fn start(fixture: &TorrentFixture, lie: TorrentLie, starts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let [(_, content)] = fixture.files() else { panic!("expected a single-file fixture") };
        let state = Arc::new(RawPeerState {
            address: listener.local_addr().expect("an address"),
            infohash: fixture.infohash,
            content: content.clone(),
            lie,
            handshakes: AtomicUsize::new(0),
            requests_received: AtomicUsize::new(0),
            disconnects: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            has_begun: (Mutex::new(starts), Condvar::new()),
            connections: Mutex::new(Vec::new()),
        });
        let accepting = thread::spawn({
            let state = Arc::clone(&state);
            move || accept_connections(&listener, &state)
        });
        Self { state, acceptor: Some(accepting) }
    }

    /// Lets a paused peer speak.
    pub fn resume(&self) {
        *self.state.has_begun.0.lock().expect("no thread panics with it") = true;
        self.state.has_begun.1.notify_all();
    }

    /// Returns the peer's address.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// Returns the number of block requests received.
    pub fn requests_received(&self) -> usize {
        self.state.requests_received.load(Ordering::SeqCst)
    }

    /// Returns true if the peer has misbehaved on any connection.
    pub fn has_lied(&self) -> bool {
        let counter = if self.state.lie.affects_blocks() {
            &self.state.requests_received
        } else {
            &self.state.handshakes
        };
        counter.load(Ordering::SeqCst) > 0
    }

    /// Returns how many connections the other side has closed after this peer misbehaved on them.
    pub fn disconnects(&self) -> usize {
        self.state.disconnects.load(Ordering::SeqCst)
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.resume();
        for stream in self.state.connections.lock().expect("no thread panics with it").drain(..) {
            // The connection may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.state.address));
        if let Some(accepting) = self.acceptor.take() {
            // A panicked thread has already printed its message.
            let _ = accepting.join();
        }
    }
}

fn accept_connections(listener: &TcpListener, state: &Arc<RawPeerState>) {
    for stream in listener.incoming().flatten() {
        if state.stopped.load(Ordering::SeqCst) {
            return;
        }
        let kept = stream.try_clone().expect("a descriptor");
        state.connections.lock().expect("no thread panics with it").push(kept);
        let state = Arc::clone(state);
        // The result ends only this connection; dropping the peer shuts it down at the latest.
        thread::spawn(move || conversation::serve_connection(stream, &state));
    }
}
