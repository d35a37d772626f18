//! The door of a node: accepts connections, counts them, and hands each to the dialect that it begins with.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bittorrent::Wires;
use crate::native::Links;
use crate::transport::{Ticket, Transport, accept_all};

/// How long somebody who has connected may take for the first byte.
const DEADLINE: Duration = Duration::from_secs(10);

/// The first byte of a BitTorrent handshake: the length of the protocol's name (BEP 3). No native connection begins so.
const BITTORRENT: u8 = 19;

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
    /// Accepts connections until the node is stopped.
    pub(crate) async fn keep(self, listener: TcpListener) {
        let let_in = |stream, from, ticket| self.clone().let_in(stream, from, ticket);
        accept_all(listener, self.transport.admission(), (&self.tracker, &self.cancel), let_in).await;
    }

    async fn let_in(self, stream: TcpStream, from: SocketAddr, ticket: Ticket) {
        match (first_byte(&stream).await, self.links) {
            (Some(BITTORRENT), _) => self.wires.visit(stream, from, ticket).await,
            (Some(_), Some(links)) => links.visit(stream, from, ticket).await,
            _ => tracing::warn!(%from, "connection refused: a stranger"),
        }
    }
}

/// Looks at the first byte without taking it.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut first = [0];
    let looked = tokio::time::timeout(DEADLINE, stream.peek(&mut first)).await;
    (looked.ok()?.ok()? == 1).then_some(first[0])
}
