//! The door of a node: accepts connections, counts them, and hands each to the dialect that it begins with.

mod opening;
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
use crate::transport::{Ticket, Transport, accept_all, log_refusal};
use opening::Opening;

/// How long somebody who has connected may take for the first bytes.
const DEADLINE: Duration = Duration::from_secs(10);

/// Who comes in, and to whom they are shown.
#[derive(Debug, Clone)]
pub(crate) struct FrontDoor {
    pub(crate) transport: Transport,
    /// The native dialect, where it is spoken.
    pub(crate) links: Option<Links>,
    pub(crate) wires: Wires,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl FrontDoor {
    /// Accepts connections until the node is stopped, over TCP and uTP.
    pub(crate) async fn keep(self, listener: TcpListener) {
        if let Ok(address) = listener.local_addr() {
            self.tracker.spawn(self.clone().accept_utp(address));
        }
        let let_in = |stream, from, ticket| self.clone().let_in(stream, from, ticket);
        accept_all(listener, self.transport.admission(), (&self.tracker, &self.cancel), let_in).await;
    }

    async fn let_in(self, mut stream: TcpStream, from: SocketAddr, ticket: Ticket) {
        let read = tokio::time::timeout(DEADLINE, Opening::read(&mut stream)).await;
        let opening = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match (opening, self.links) {
            (Ok(Opening::BitTorrent), _) => self.wires.visit(stream, from, ticket).await,
            (Ok(Opening::Encrypted(key)), _) => self.wires.visit_encrypted(stream, &key, from, ticket).await,
            (Ok(Opening::Native(preamble)), Some(links)) => links.visit(stream, preamble, from, ticket).await,
            (Ok(Opening::Native(_) | Opening::Text), _) => {
                log_refusal(from, "a stranger");
            }
            (Err(error), _) => log_refusal(from, format_args!("a stranger: {error}")),
        }
    }
}
