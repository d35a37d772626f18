//! An index that lets nodes in and then takes nothing of them.

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};
use protocol::features::IndexFeatures;
use protocol::index::{IndexMessage, ListSummary, Refusal, Reply, Request, RequestEnvelope};
use protocol::preamble::Service;

use crate::wire::FrameConnection;

/// The index: answers every request about a list or a torrent at once with "too fast, wait 0 ms", in one connection after the
/// other.
#[derive(Debug)]
pub struct RefusingIndex {
    address: SocketAddr,
    refusals: std::sync::mpsc::Receiver<Instant>,
}

/// How many refusals may wait to be looked at.
const BACKLOG: usize = 10_000;

impl RefusingIndex {
    /// Starts one, which ends with the process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (refused, refusals) = std::sync::mpsc::sync_channel(BACKLOG);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(mut wire) = FrameConnection::accept_as(Service::Index, stream) else { continue };
                // How a connection ends is all the same.
                let _ = serve(&mut wire, || refused.try_send(Instant::now()).is_ok());
            }
        });
        Self { address, refusals }
    }

    /// Returns the address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next refusal and returns when it was sent.
    pub fn next_refusal(&self) -> Instant {
        self.refusals.recv_timeout(crate::eventually::DEFAULT_TIMEOUT).expect("a node that asks again")
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
                let you = SocketAddr::from(([127, 0, 0, 1], port));
                Reply::Welcome { you, lease: 90, list: ListSummary::default() }
            }
            Request::Renew => Reply::List(ListSummary::default()),
            _ if refused() => Reply::Refused(Refusal::TooFast { retry_after: 0 }),
            _ => bail!("nobody counts any more"),
        };
        wire.send(&IndexMessage::Reply { id, reply })?;
    }
}
