//! The door of a node: accepts connections, counts them, and hands each to the dialect that it begins with.

mod sniffing;
mod tcp_pair;
mod utp;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bittorrent::Wires;
use crate::native::Links;
use crate::transport::{AdmissionPermit, Transport, accept_all, log_refusal};
use sniffing::SniffedDialect;

/// How long somebody who has connected may take for the first bytes.
const SNIFF_TIMEOUT: Duration = Duration::from_secs(10);

/// Who comes in, and to whom they are shown.
#[derive(Debug, Clone)]
pub(crate) struct PeerListener {
    pub(crate) transport: Transport,
    /// The native dialect, where it is spoken.
    pub(crate) links: Option<Links>,
    pub(crate) wires: Wires,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl PeerListener {
    /// Accepts connections until the node is stopped, over TCP and uTP.
    pub(crate) async fn run(self, listener: TcpListener) {
        if let Ok(address) = listener.local_addr() {
            self.tracker.spawn(self.clone().accept_utp(address));
        }
        let handle = |stream, from, ticket| self.clone().handle_connection(stream, from, ticket);
        accept_all(listener, self.transport.admission(), (&self.tracker, &self.cancel), handle).await;
    }

    async fn handle_connection(self, mut stream: TcpStream, from: SocketAddr, ticket: AdmissionPermit) {
        let read = tokio::time::timeout(SNIFF_TIMEOUT, SniffedDialect::read(&mut stream)).await;
        let opening = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match (opening, self.links) {
            (Ok(SniffedDialect::BitTorrent), _) => self.wires.accept(stream, from, ticket).await,
            (Ok(SniffedDialect::Encrypted(key)), _) => {
                self.wires.accept_encrypted(stream, &key, from, ticket).await
            }
            (Ok(SniffedDialect::Native(preamble)), Some(links)) => {
                links.accept(stream, preamble, from, ticket).await
            }
            (Ok(SniffedDialect::Native(_) | SniffedDialect::Text), _) => {
                log_refusal(from, "a stranger");
            }
            (Err(error), _) => log_refusal(from, format_args!("a stranger: {error}")),
        }
    }
}
