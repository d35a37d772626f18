//! An index that accepts nodes and refuses all their requests.

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};
use protocol::features::IndexFeatures;
use protocol::index::{IndexMessage, ListSummary, Refusal, Reply, Request, RequestEnvelope};
use protocol::preamble::Service;

use crate::wire::FrameConnection;

/// Replies to every request about a list or a torrent with "too fast, wait 0 ms" at once. Serves one connection at a
/// time.
#[derive(Debug)]
pub struct RefusingIndex {
    address: SocketAddr,
    refusals: std::sync::mpsc::Receiver<Instant>,
}

/// Capacity of the channel of refusals: more than one story causes.
const BACKLOG: usize = 10_000;

impl RefusingIndex {
    /// Starts an index that runs until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (refused, refusals) = std::sync::mpsc::sync_channel(BACKLOG);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(mut wire) = FrameConnection::accept_as(Service::Index, stream) else { continue };
                // The error is irrelevant: the next connection starts afresh.
                let _ = serve(&mut wire, || refused.try_send(Instant::now()).is_ok());
            }
        });
        Self { address, refusals }
    }

    /// Returns the address of the index.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next refusal and returns the time at which it was sent.
    pub fn next_refusal(&self) -> Instant {
        self.refusals.recv_timeout(crate::eventually::DEFAULT_TIMEOUT).expect("another request from the node")
    }
}

fn serve(wire: &mut FrameConnection, refused: impl Fn() -> bool) -> Result<()> {
    let mut port = 0;
    loop {
        let RequestEnvelope { id, request } = wire.receive()?;
        let reply = match request {
            Request::Greet { port: theirs, .. } => {
                port = theirs;
                Reply::Greeting { nonce: [7; 32], features: IndexFeatures::ANY_NAMES, time: 1_000_000 }
            }
            Request::Proof { .. } => {
                let seen_address = SocketAddr::from(([127, 0, 0, 1], port));
                Reply::Welcome { you: seen_address, lease: 90, list: ListSummary::default() }
            }
            Request::Renew => Reply::List(ListSummary::default()),
            _ if refused() => Reply::Refused(Refusal::TooFast { retry_after: 0 }),
            _ => bail!("the refusals are no longer received"),
        };
        wire.send(&IndexMessage::Reply { id, reply })?;
    }
}
