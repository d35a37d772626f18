//! A scripted peer that sends exact bytes, right or wrong.
//!
//! To the index it behaves: it proves its identity, answers the probe, registers a content and renews its lease. To
//! peers it lies as its [`Lie`] specifies, on every connection.

mod conversation;
mod lie;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use protocol::index::{Notice, Request};
use protocol::node_id::NodeId;

pub use lie::Lie;
use lie::ManifestClaim;

use crate::content::TestContent;
use crate::index_session::{IndexSession, signing_key};

/// A scripted peer; its connections end when it is dropped.
#[derive(Debug)]
pub struct HostilePeer {
    state: Arc<HostilePeerState>,
    threads: Vec<JoinHandle<()>>,
}

/// State that all connections of one hostile peer share.
#[derive(Debug)]
struct HostilePeerState {
    address: SocketAddr,
    node: NodeId,
    nonce: [u8; 32],
    content: Arc<TestContent>,
    lie: Lie,
    claim: Arc<ManifestClaim>,
    opens_received: AtomicUsize,
    requests_received: AtomicUsize,
    stopped: AtomicBool,
    stop_signal: (Mutex<()>, Condvar),
    connections: Mutex<Vec<TcpStream>>,
}

impl HostilePeer {
    /// Joins the network of an index as a source of `content` under `path`. The index lists the peer when this returns.
    pub fn join(index: SocketAddr, path: &str, content: &TestContent, lie: Lie) -> Self {
        Self::join_with(index, path, (&Arc::new(content.clone()), &Arc::new(lie.claim(content))), lie)
    }

    /// Joins `count` peers that tell the same lie about the same content, which is stored once.
    pub fn join_many(
        index: SocketAddr,
        path: &str,
        content: &TestContent,
        lie: Lie,
        count: usize,
    ) -> Vec<Self> {
        let (content, claim) = (Arc::new(content.clone()), Arc::new(lie.claim(content)));
        (0..count).map(|_| Self::join_with(index, path, (&content, &claim), lie)).collect()
    }

    fn join_with(
        index: SocketAddr,
        path: &str,
        (content, claim): (&Arc<TestContent>, &Arc<ManifestClaim>),
        lie: Lie,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let key = signing_key(u64::from(address.port()) + 1_000_000);
        let (wire, nonce) = IndexSession::hello(index, &key, address.port()).expect("a challenge");
        let state = Arc::new(HostilePeerState {
            address,
            node: NodeId::from_bytes(key.verifying_key().to_bytes()),
            nonce,
            content: Arc::clone(content),
            claim: Arc::clone(claim),
            lie,
            opens_received: AtomicUsize::new(0),
            requests_received: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            stop_signal: (Mutex::new(()), Condvar::new()),
            connections: Mutex::new(Vec::new()),
        });
        let accepting = thread::spawn({
            let state = Arc::clone(&state);
            move || accept_connections(&listener, &state)
        });
        let mut session = IndexSession::prove(wire, nonce, &key, address.port()).expect("a welcome");
        session.register(&[content.file_record(path)]).expect("a registration");
        match session.next_notice() {
            Ok(Notice::Reachable { .. }) => {}
            other => panic!("the index does not list the hostile peer: {other:?}"),
        }
        let renewing = thread::spawn({
            let state = Arc::clone(&state);
            move || renew_lease(session, &state)
        });
        Self { state, threads: vec![accepting, renewing] }
    }

    /// Returns the peer's address.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// Returns the number of block requests received.
    pub fn requests_received(&self) -> usize {
        self.state.requests_received.load(Ordering::SeqCst)
    }

    /// Returns true if the peer has sent its lie to anyone.
    pub fn has_lied(&self) -> bool {
        let counter = if self.state.lie.affects_blocks() {
            &self.state.requests_received
        } else {
            &self.state.opens_received
        };
        counter.load(Ordering::SeqCst) > 0
    }
}

impl Drop for HostilePeer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.state.stop_signal.1.notify_all();
        for stream in self.state.connections.lock().expect("no thread panics with it").drain(..) {
            // The connection may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.state.address));
        for thread in self.threads.drain(..) {
            // A panicked thread has already printed its message.
            let _ = thread.join();
        }
    }
}

fn accept_connections(listener: &TcpListener, state: &Arc<HostilePeerState>) {
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

fn renew_lease(mut session: IndexSession, state: &HostilePeerState) {
    let pause = session.welcome.lease / 3;
    let mut guard = state.stop_signal.0.lock().expect("no thread panics with it");
    while !state.stopped.load(Ordering::SeqCst) {
        guard = state.stop_signal.1.wait_timeout(guard, pause).expect("as above").0;
        if session.call(Request::Renew).is_err() {
            return;
        }
    }
}
