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

/// A scripted BitTorrent peer that has a whole file, and lies as it is told on every connection; it falls silent when
/// dropped.
#[derive(Debug)]
pub struct RawPeer {
    state: Arc<RawPeerState>,
    acceptor: Option<JoinHandle<()>>,
}

/// What all conversations of one peer share.
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
    /// Whether it speaks yet.
    has_begun: (Mutex<bool>, Condvar),
    connections: Mutex<Vec<TcpStream>>,
}

impl RawPeer {
    /// Begins to listen for a scene of a single file, and has its tracker tell of it.
    pub fn join(scene: &TorrentFixture, lie: TorrentLie) -> Self {
        let peer = Self::listen(scene, lie);
        scene.tracker.add_seeder(peer.address());
        peer
    }

    /// Begins to listen as an honest peer that says nothing until [`RawPeer::resume`], and has the tracker tell of it.
    pub fn join_paused(scene: &TorrentFixture) -> Self {
        let peer = Self::start(scene, TorrentLie::None, false);
        scene.tracker.add_seeder(peer.address());
        peer
    }

    /// Begins to listen, and has nobody told.
    pub fn listen(scene: &TorrentFixture, lie: TorrentLie) -> Self {
        Self::start(scene, lie, true)
    }

    fn start(scene: &TorrentFixture, lie: TorrentLie, speaks: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
        let stage = Arc::new(RawPeerState {
            address: listener.local_addr().expect("an address"),
            infohash: scene.infohash,
            content: content.clone(),
            lie,
            handshakes: AtomicUsize::new(0),
            requests_received: AtomicUsize::new(0),
            disconnects: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            has_begun: (Mutex::new(speaks), Condvar::new()),
            connections: Mutex::new(Vec::new()),
        });
        let accepting = thread::spawn({
            let stage = Arc::clone(&stage);
            move || accept_connections(&listener, &stage)
        });
        Self { state: stage, acceptor: Some(accepting) }
    }

    /// Lets a peer that hesitates speak.
    pub fn resume(&self) {
        *self.state.has_begun.0.lock().expect("no thread panics with it") = true;
        self.state.has_begun.1.notify_all();
    }

    /// Gives where the peer listens.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// Says how many blocks the peer was asked for.
    pub fn requests_received(&self) -> usize {
        self.state.requests_received.load(Ordering::SeqCst)
    }

    /// Says whether anybody has come so far with the peer that its lie was heard.
    pub fn has_lied(&self) -> bool {
        let heard = if self.state.lie.affects_blocks() {
            &self.state.requests_received
        } else {
            &self.state.handshakes
        };
        heard.load(Ordering::SeqCst) > 0
    }

    /// Says how often the other side has ended a connection on which it had been lied to.
    pub fn disconnects(&self) -> usize {
        self.state.disconnects.load(Ordering::SeqCst)
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.resume();
        for stream in self.state.connections.lock().expect("no thread panics with it").drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.state.address));
        if let Some(accepting) = self.acceptor.take() {
            // One that panicked has said so.
            let _ = accepting.join();
        }
    }
}

fn accept_connections(listener: &TcpListener, stage: &Arc<RawPeerState>) {
    for stream in listener.incoming().flatten() {
        if stage.stopped.load(Ordering::SeqCst) {
            return;
        }
        let kept = stream.try_clone().expect("a descriptor");
        stage.connections.lock().expect("no thread panics with it").push(kept);
        let stage = Arc::clone(stage);
        // Its end is the end of the connection, which is shut down at the latest when the peer is dropped.
        thread::spawn(move || conversation::serve_connection(stream, &stage));
    }
}
