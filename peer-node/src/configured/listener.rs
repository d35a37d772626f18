//! Accepts connections from other peers of the group.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::configured::ConfiguredPeerId;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::group_config::GroupConfig;
use super::handshake::exchange_handshakes;
use super::link::GroupConnection;
use crate::transport::{AddressLimits, AdmissionPermit, PeerAdmission, PeerStream, accept_all, log_refusal};

/// Number of connections that may be without a handshake, in addition to one per listed peer.
const MAX_UNIDENTIFIED: usize = 64;

/// Accepts connections and passes them to the session after the handshake.
#[derive(Debug, Clone)]
pub(super) struct GroupListener {
    own_id: ConfiguredPeerId,
    config: Arc<GroupConfig>,
    admission: PeerAdmission,
    connections: mpsc::Sender<GroupConnection>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl GroupListener {
    pub(super) fn new(
        own_id: ConfiguredPeerId,
        config: Arc<GroupConfig>,
        connections: mpsc::Sender<GroupConnection>,
        tracker: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let admission =
            PeerAdmission::new(config.peer_list.peers().len() + MAX_UNIDENTIFIED, AddressLimits::default());
        Self { own_id, config, admission, connections, tracker, cancel }
    }

    /// Accepts connections until the token is cancelled.
    pub(super) async fn run(self, listener: TcpListener) {
        let handle = |stream, from, permit| self.clone().handle_connection(stream, from, permit);
        accept_all(listener, &self.admission, (&self.tracker, &self.cancel), handle).await;
    }

    /// Exchanges handshakes. The permit is released afterwards: the number of identified neighbours is limited by the peer
    /// list.
    async fn handle_connection(self, mut stream: PeerStream, address: SocketAddr, _permit: AdmissionPermit) {
        match exchange_handshakes(&mut stream, self.own_id, |claimed| self.check_peer(claimed)).await {
            Ok(peer) => {
                let closed = self.cancel.child_token();
                let connection = GroupConnection { stream, address, peer, is_inbound: true, closed };
                // The receiver is dropped when the session ends.
                let _ = self.connections.send(connection).await;
            }
            Err(error) => log_refusal(address, error),
        }
    }

    fn check_peer(&self, claimed: ConfiguredPeerId) -> Result<(), &'static str> {
        match self.config.peer_list.find(claimed) {
            _ if claimed == self.own_id => Err("is this peer itself"),
            None => Err("is not listed"),
            Some(_) => Ok(()),
        }
    }
}
