//! Nodes that the index lists: they answer its probes and serve nothing.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use protocol::index::{FileRecord, Notice};
use protocol::node_id::NodeId;
use protocol::peer::PeerMessage;
use protocol::probe::probe_answer;

use crate::index_session::{IndexSession, signing_key};
use crate::wire::FrameConnection;

/// A node that registers files and serves nothing.
#[derive(Debug)]
pub struct ListedNode {
    /// The connection to the index.
    pub session: IndexSession,
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    responder: Option<JoinHandle<()>>,
}

impl ListedNode {
    /// Joins the network of an index from an address of this machine with its own key. The first notice says whether
    /// the index lists the node.
    pub fn join(index: SocketAddr, from: IpAddr, files: &[FileRecord]) -> Self {
        let listener = TcpListener::bind((from, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let key = signing_key(seed(address));
        let (wire, nonce) = IndexSession::hello_from(from, index, &key, address.port()).expect("a challenge");
        let stopped = Arc::new(AtomicBool::new(false));
        let answering = thread::spawn({
            let stopped = Arc::clone(&stopped);
            move || answer_probes(&listener, nonce, &stopped)
        });
        let mut session = IndexSession::prove(wire, nonce, &key, address.port()).expect("a welcome");
        session.register(files).expect("a registration");
        Self { session, address, stopped, responder: Some(answering) }
    }

    /// Joins like [`ListedNode::join`] and waits until the index lists the node.
    pub fn join_listed(index: SocketAddr, from: IpAddr, files: &[FileRecord]) -> Self {
        let mut joined = Self::join(index, from, files);
        assert!(joined.wait_for_listing(), "the index does not list {}", joined.address);
        joined
    }

    /// Waits for the next notice. Returns true if the notice says that the index lists the node.
    pub fn wait_for_listing(&mut self) -> bool {
        match self.session.next_notice() {
            Ok(Notice::Reachable { .. }) => true,
            Ok(Notice::Unreachable { .. }) => false,
            other => panic!("expected a notice, got {other:?}"),
        }
    }

    /// Returns the node's address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the node's id.
    pub const fn node_id(&self) -> NodeId {
        self.session.welcome.node
    }

    /// Closes the port: the node stays connected to the index but is unreachable.
    pub fn close_port(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.responder.take() {
            // A panicked thread has already printed its message.
            let _ = thread.join();
        }
    }
}

impl Drop for ListedNode {
    fn drop(&mut self) {
        if self.responder.is_some() {
            self.close_port();
        }
    }
}

fn seed(address: SocketAddr) -> u64 {
    let IpAddr::V4(ip) = address.ip() else { panic!("an address of IPv4") };
    u64::from(ip.to_bits()) << 16 | u64::from(address.port())
}

fn answer_probes(listener: &TcpListener, nonce: [u8; 32], stopped: &AtomicBool) {
    for stream in listener.incoming().flatten() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut wire) = FrameConnection::accept(stream) else { continue };
        if let Ok(PeerMessage::Probe { challenge }) = wire.receive() {
            // The prober may have disconnected.
            let _ = wire.send(&PeerMessage::ProbeAnswer { answer: probe_answer(&nonce, &challenge) });
        }
    }
}
