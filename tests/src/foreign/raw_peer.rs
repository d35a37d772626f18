use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use protocol::infohash::Infohash;

use super::{RawWire, Scene};
use crate::content::Content;

mod conversation;
mod lie;

pub use lie::WireLie;

/// A scripted BitTorrent peer that has a whole file, and lies as it is told on every connection; it falls silent when
/// dropped.
#[derive(Debug)]
pub struct RawPeer {
    stage: Arc<Stage>,
    accepting: Option<JoinHandle<()>>,
}

/// What all conversations of one peer share.
#[derive(Debug)]
struct Stage {
    address: SocketAddr,
    infohash: Infohash,
    content: Content,
    lie: WireLie,
    greeted: AtomicUsize,
    asked: AtomicUsize,
    left: AtomicUsize,
    over: AtomicBool,
    /// Whether it speaks yet.
    speaks: (Mutex<bool>, Condvar),
    open: Mutex<Vec<TcpStream>>,
}

impl RawPeer {
    /// Begins to listen for a scene of a single file, and has its tracker tell of it.
    pub fn join(scene: &Scene, lie: WireLie) -> Self {
        let peer = Self::listen(scene, lie);
        scene.tracker.note(peer.address());
        peer
    }

    /// Begins to listen as an honest peer that says nothing until [`RawPeer::begin`], and has the tracker tell of it.
    pub fn hesitate(scene: &Scene) -> Self {
        let peer = Self::start(scene, WireLie::None, false);
        scene.tracker.note(peer.address());
        peer
    }

    /// Begins to listen, and has nobody told.
    pub fn listen(scene: &Scene, lie: WireLie) -> Self {
        Self::start(scene, lie, true)
    }

    fn start(scene: &Scene, lie: WireLie, speaks: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
        let stage = Arc::new(Stage {
            address: listener.local_addr().expect("an address"),
            infohash: scene.infohash,
            content: content.clone(),
            lie,
            greeted: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            speaks: (Mutex::new(speaks), Condvar::new()),
            open: Mutex::new(Vec::new()),
        });
        let accepting = thread::spawn({
            let stage = Arc::clone(&stage);
            move || accept(&listener, &stage)
        });
        Self { stage, accepting: Some(accepting) }
    }

    /// Lets a peer that hesitates speak.
    pub fn begin(&self) {
        *self.stage.speaks.0.lock().expect("no thread panics with it") = true;
        self.stage.speaks.1.notify_all();
    }

    /// Gives where the peer listens.
    pub fn address(&self) -> SocketAddr {
        self.stage.address
    }

    /// Says how many blocks the peer was asked for.
    pub fn asked(&self) -> usize {
        self.stage.asked.load(Ordering::SeqCst)
    }

    /// Says whether anybody has come so far with the peer that its lie was heard.
    pub fn was_heard(&self) -> bool {
        let heard = if self.stage.lie.is_in_blocks() { &self.stage.asked } else { &self.stage.greeted };
        heard.load(Ordering::SeqCst) > 0
    }

    /// Says how often the other side has ended a connection on which it had been lied to.
    pub fn left(&self) -> usize {
        self.stage.left.load(Ordering::SeqCst)
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.stage.over.store(true, Ordering::SeqCst);
        self.begin();
        for stream in self.stage.open.lock().expect("no thread panics with it").drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.stage.address));
        if let Some(accepting) = self.accepting.take() {
            // One that panicked has said so.
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, stage: &Arc<Stage>) {
    for stream in listener.incoming().flatten() {
        if stage.over.load(Ordering::SeqCst) {
            return;
        }
        let kept = stream.try_clone().expect("a descriptor");
        stage.open.lock().expect("no thread panics with it").push(kept);
        let stage = Arc::clone(stage);
        // Its end is the end of the connection, which is shut down at the latest when the peer is dropped.
        thread::spawn(move || conversation::hold(stream, &stage));
    }
}
