//! Lets in those of the group who connect to us.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::configured::ConfiguredPeerId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::group_config::GroupConfig;
use super::handshake::exchange_handshakes;
use super::link::GroupConnection;
use crate::transport::{AddressLimits, AdmissionPermit, PeerAdmission, accept_all, log_refusal};

/// How many connections may be there that have not said who they are: as many as there are peers, and some strangers.
const MAX_UNIDENTIFIED: usize = 64;

/// Who comes in, and where they are told of.
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
        us: ConfiguredPeerId,
        plan: Arc<GroupConfig>,
        met: mpsc::Sender<GroupConnection>,
        tracker: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let admission =
            PeerAdmission::new(plan.peer_list.peers().len() + MAX_UNIDENTIFIED, AddressLimits::default());
        Self { own_id: us, config: plan, admission, connections: met, tracker, cancel }
    }

    /// Accepts connections until the peer is stopped.
    pub(super) async fn run(self, listener: TcpListener) {
        let let_in = |stream, from, ticket| self.clone().handle_connection(stream, from, ticket);
        accept_all(listener, &self.admission, (&self.tracker, &self.cancel), let_in).await;
    }

    /// Hears who has come. The place counts until that is known: neighbours are as many as are listed.
    async fn handle_connection(self, mut stream: TcpStream, address: SocketAddr, _place: AdmissionPermit) {
        match exchange_handshakes(&mut stream, self.own_id, |claimed| self.check_peer(claimed)).await {
            Ok(peer) => {
                let closed = self.cancel.child_token();
                let greeted = GroupConnection { stream, address, peer, is_inbound: true, closed };
                // Whoever does not listen any more has ended.
                let _ = self.connections.send(greeted).await;
            }
            Err(error) => log_refusal(address, error),
        }
    }

    fn check_peer(&self, claimed: ConfiguredPeerId) -> Result<(), &'static str> {
        match self.config.peer_list.find(claimed) {
            _ if claimed == self.own_id => Err("is this one"),
            None => Err("is not listed"),
            Some(_) => Ok(()),
        }
    }
}
