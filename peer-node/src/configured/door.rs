//! Lets in those of the group who connect to us.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::configured::PeerId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::greeting::greet;
use super::link::Greeted;
use super::plan::Plan;
use crate::transport::{AddressLimits, Admission, Ticket, accept_all, log_refusal};

/// How many connections may be there that have not said who they are: as many as there are peers, and some strangers.
const STRANGERS: usize = 64;

/// Who comes in, and where they are told of.
#[derive(Debug, Clone)]
pub(super) struct Door {
    us: PeerId,
    plan: Arc<Plan>,
    admission: Admission,
    met: mpsc::Sender<Greeted>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Door {
    pub(super) fn new(
        us: PeerId,
        plan: Arc<Plan>,
        met: mpsc::Sender<Greeted>,
        tracker: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let admission = Admission::new(plan.list.peers().len() + STRANGERS, AddressLimits::default());
        Self { us, plan, admission, met, tracker, cancel }
    }

    /// Accepts connections until the peer is stopped.
    pub(super) async fn keep(self, listener: TcpListener) {
        let let_in = |stream, from, ticket| self.clone().let_in(stream, from, ticket);
        accept_all(listener, &self.admission, (&self.tracker, &self.cancel), let_in).await;
    }

    /// Hears who has come. The place counts until that is known: neighbours are as many as are listed.
    async fn let_in(self, mut stream: TcpStream, address: SocketAddr, _place: Ticket) {
        match greet(&mut stream, self.us, |said| self.judge(said)).await {
            Ok(peer) => {
                let closed = self.cancel.child_token();
                let greeted = Greeted { stream, address, peer, is_inbound: true, closed };
                // Whoever does not listen any more has ended.
                let _ = self.met.send(greeted).await;
            }
            Err(error) => log_refusal(address, error),
        }
    }

    fn judge(&self, said: PeerId) -> Result<(), &'static str> {
        match self.plan.list.find(said) {
            _ if said == self.us => Err("is this one"),
            None => Err("is not listed"),
            Some(_) => Ok(()),
        }
    }
}
