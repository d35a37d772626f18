//! A peer that says exactly the bytes it is told.
//!
//! Towards the index it behaves: it proves its identity, answers the probe, registers a content and renews its lease.
//! Towards peers it lies as its [`Lie`] says, over and over, on every connection.

mod conversation;
mod lie;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use protocol::index::{Notice, Request};
use protocol::node_id::NodeId;

use lie::Claim;
pub use lie::Lie;

use crate::content::Content;
use crate::index_session::{IndexSession, key};

/// A scripted peer; it falls silent when dropped.
#[derive(Debug)]
pub struct HostilePeer {
    stage: Arc<Stage>,
    threads: Vec<JoinHandle<()>>,
}

/// What all conversations of one hostile peer share.
#[derive(Debug)]
struct Stage {
    address: SocketAddr,
    node: NodeId,
    nonce: [u8; 32],
    content: Arc<Content>,
    lie: Lie,
    claim: Arc<Claim>,
    opened: AtomicUsize,
    asked: AtomicUsize,
    over: AtomicBool,
    bell: (Mutex<()>, Condvar),
    open: Mutex<Vec<TcpStream>>,
}

impl HostilePeer {
    /// Joins the network of an index as a source of `content` under `path`, listed when this returns.
    pub fn join(index: SocketAddr, path: &str, content: &Content, lie: Lie) -> Self {
        Self::join_with(index, path, (&Arc::new(content.clone()), &Arc::new(lie.claim(content))), lie)
    }

    /// Has so many join that tell the same lie of the same content, which is held once.
    pub fn crowd(index: SocketAddr, path: &str, content: &Content, lie: Lie, count: usize) -> Vec<Self> {
        let (content, claim) = (Arc::new(content.clone()), Arc::new(lie.claim(content)));
        (0..count).map(|_| Self::join_with(index, path, (&content, &claim), lie)).collect()
    }

    fn join_with(
        index: SocketAddr,
        path: &str,
        (content, claim): (&Arc<Content>, &Arc<Claim>),
        lie: Lie,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let key = key(u64::from(address.port()) + 1_000_000);
        let (wire, nonce) = IndexSession::hello(index, &key, address.port()).expect("a challenge");
        let stage = Arc::new(Stage {
            address,
            node: NodeId::from_bytes(key.verifying_key().to_bytes()),
            nonce,
            content: Arc::clone(content),
            claim: Arc::clone(claim),
            lie,
            opened: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            bell: (Mutex::new(()), Condvar::new()),
            open: Mutex::new(Vec::new()),
        });
        let accepting = thread::spawn({
            let stage = Arc::clone(&stage);
            move || accept(&listener, &stage)
        });
        let mut session = IndexSession::prove(wire, nonce, &key, address.port()).expect("a welcome");
        session.register(&[content.record(path)]).expect("a registration");
        match session.notice() {
            Ok(Notice::Reachable { .. }) => {}
            other => panic!("the index does not list the hostile peer: {other:?}"),
        }
        let renewing = thread::spawn({
            let stage = Arc::clone(&stage);
            move || renew(session, &stage)
        });
        Self { stage, threads: vec![accepting, renewing] }
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
        let heard = if self.stage.lie.is_in_blocks() { &self.stage.asked } else { &self.stage.opened };
        heard.load(Ordering::SeqCst) > 0
    }
}

impl Drop for HostilePeer {
    fn drop(&mut self) {
        self.stage.over.store(true, Ordering::SeqCst);
        self.stage.bell.1.notify_all();
        for stream in self.stage.open.lock().expect("no thread panics with it").drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.stage.address));
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
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

fn renew(mut session: IndexSession, stage: &Stage) {
    let pause = session.welcome.lease / 3;
    let mut guard = stage.bell.0.lock().expect("no thread panics with it");
    while !stage.over.load(Ordering::SeqCst) {
        guard = stage.bell.1.wait_timeout(guard, pause).expect("as above").0;
        if session.call(Request::Renew).is_err() {
            return;
        }
    }
}
