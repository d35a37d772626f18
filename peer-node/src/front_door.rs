//! The door of a node: accepts connections, counts them, and hands each to the dialect that it begins with.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bittorrent::Wires;
use crate::native::Links;
use crate::transport::Transport;

/// How long to wait when no connection can be accepted: out of descriptors, most likely; some will be free again.
const PAUSE: Duration = Duration::from_millis(200);

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
        while let Some(accepted) = self.cancel.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, from)) => {
                    let door = self.clone();
                    self.tracker.spawn(async move {
                        let cancel = door.cancel.clone();
                        cancel.run_until_cancelled_owned(door.let_in(stream, from)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn let_in(self, stream: TcpStream, from: SocketAddr) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(ticket) = self.transport.admission().admit(from.ip()) else {
            tracing::warn!(%from, "connection refused: too many");
            return;
        };
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
