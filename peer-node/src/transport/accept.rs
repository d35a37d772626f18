use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AdmissionPermit, PeerAdmission};

/// How long to wait when no connection can be accepted: out of descriptors, most likely; some will be free again.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Accepts connections until the token is cancelled. Each for which there is a place is seen to by `visit`, in a task of the
/// tracker's that ends with the token as well; where it comes from is told as an IPv4 address if it is one.
pub(crate) async fn accept_all<F>(
    listener: TcpListener,
    admission: &PeerAdmission,
    (tracker, cancel): (&TaskTracker, &CancellationToken),
    visit: impl Fn(TcpStream, SocketAddr, AdmissionPermit) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, from)) => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                let Some(ticket) = admission.admit_or_log(from) else { continue };
                let (visit, cancel) = (visit(stream, from, ticket), cancel.clone());
                tracker.spawn(async move {
                    cancel.run_until_cancelled_owned(visit).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}
