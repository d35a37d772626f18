//! Accepts connections, limits their number, and passes each to the dialect that its first bytes show.

mod sniffing;
mod utp;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bittorrent::Wires;
use crate::essential_task::EssentialTask;
use crate::native::Links;
use crate::transport::{AdmissionPermit, PeerStream, Transport, accept_all, log_refusal};
use sniffing::SniffedDialect;

/// Maximum time to receive the first bytes of a connection.
const SNIFF_TIMEOUT: Duration = Duration::from_secs(10);

/// Accepts connections and dispatches them to the dialects.
#[derive(Debug, Clone)]
pub(crate) struct PeerListener {
    pub(crate) transport: Transport,
    /// The native dialect, if enabled.
    pub(crate) links: Option<Links>,
    pub(crate) wires: Wires,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl PeerListener {
    /// Accepts connections over TCP and uTP until the token is cancelled.
    pub(crate) async fn run(self, listener: TcpListener) {
        let _essential = EssentialTask::begin("listener");
        if let Ok(address) = listener.local_addr() {
            self.tracker.spawn(self.clone().accept_utp(address));
        }
        let handle = |stream, from, permit| self.clone().handle_connection(stream, from, permit);
        accept_all(listener, self.transport.admission(), (&self.tracker, &self.cancel), handle).await;
    }

    async fn handle_connection(self, mut stream: PeerStream, from: SocketAddr, permit: AdmissionPermit) {
        let read = tokio::time::timeout(SNIFF_TIMEOUT, SniffedDialect::read(&mut stream)).await;
        let opening = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match (opening, self.links) {
            (Ok(SniffedDialect::BitTorrent), _) => self.wires.accept(stream, from, permit).await,
            (Ok(SniffedDialect::Encrypted(key)), _) => {
                self.wires.accept_encrypted(stream, &key, from, permit).await;
            }
            (Ok(SniffedDialect::Native(preamble)), Some(links)) => {
                links.accept(stream, preamble, from, permit).await;
            }
            (Ok(SniffedDialect::Native(_) | SniffedDialect::Text), _) => {
                log_refusal(from, "unknown protocol");
            }
            (Err(error), _) => log_refusal(from, format_args!("unknown protocol: {error}")),
        }
    }
}
