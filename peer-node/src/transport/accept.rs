use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AdmissionPermit, PeerAdmission, PeerStream};

/// Delay after a failed accept. The usual cause is a lack of file descriptors, which is temporary.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Accepts connections until the token is cancelled. Each admitted connection is handled by `handle` in a tracked task, which
/// also ends with the token. IPv4-mapped addresses are passed as IPv4.
pub(crate) async fn accept_all<F>(
    listener: TcpListener,
    admission: &PeerAdmission,
    (tracker, cancel): (&TaskTracker, &CancellationToken),
    handle: impl Fn(PeerStream, SocketAddr, AdmissionPermit) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, from)) => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                let Some(permit) = admission.admit_or_log(from) else { continue };
                let (handling, cancel) = (handle(PeerStream::Plain(stream), from, permit), cancel.clone());
                tracker.spawn(async move {
                    cancel.run_until_cancelled_owned(handling).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}
