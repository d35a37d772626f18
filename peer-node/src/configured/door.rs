//! Lets in those of the group who connect to us.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::configured::PeerId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::greeting::greet;
use super::link::Greeted;
use super::plan::Plan;
use crate::transport::Admission;

/// How long to wait when no connection can be accepted: out of descriptors, most likely; some will be free again.
const PAUSE: Duration = Duration::from_millis(200);

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
        let admission = Admission::new(plan.list.peers().len() + STRANGERS);
        Self { us, plan, admission, met, tracker, cancel }
    }

    /// Accepts connections until the peer is stopped.
    pub(super) async fn keep(self, listener: TcpListener) {
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

    async fn let_in(self, mut stream: TcpStream, from: SocketAddr) {
        let address = SocketAddr::new(from.ip().to_canonical(), from.port());
        // The place counts as long as it is not known who has come: neighbours are as many as are listed.
        let Some(_ticket) = self.admission.admit(address.ip()) else {
            tracing::warn!(%address, "connection refused: too many");
            return;
        };
        match greet(&mut stream, self.us, |said| self.judge(said)).await {
            Ok(peer) => {
                let closed = self.cancel.child_token();
                let greeted = Greeted { stream, address, peer, is_inbound: true, closed };
                // Whoever does not listen any more has ended.
                let _ = self.met.send(greeted).await;
            }
            Err(error) => tracing::warn!(%address, %error, "connection refused"),
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
