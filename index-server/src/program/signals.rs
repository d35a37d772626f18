use std::io;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::access::Access;
use crate::platform::{ServiceSignal, ServiceSignals};

/// A second stop signal, received before the shutdown was complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecondSignal {
    /// The exit status for this signal: 128 plus its number.
    pub(super) status: u8,
}

/// Cancels `shutdown` on the first stop signal; the returned future completes on the second. A reload signal (SIGHUP) reloads the access lists.
pub(super) fn watch(
    shutdown: CancellationToken,
    access: Access,
) -> io::Result<impl Future<Output = SecondSignal> + Send + 'static> {
    let mut signals = ServiceSignals::listen()?;
    Ok(async move {
        while signals.next().await == ServiceSignal::Reload {
            reload_access(&access).await;
        }
        info!("shutdown requested");
        shutdown.cancel();
        let status = next_stop_signal(&mut signals).await;
        warn!("second stop signal, stopping at once");
        SecondSignal { status }
    })
}

async fn reload_access(access: &Access) {
    let access = access.clone();
    match tokio::task::spawn_blocking(move || access.reload()).await {
        Ok(Ok(())) => info!("reloaded the access lists"),
        Ok(Err(error)) => error!(%error, "cannot reload the access lists, the previous lists stay in force"),
        Err(error) => error!(%error, "cannot reload the access lists, the previous lists stay in force"),
    }
}

/// Waits for a stop signal and returns its exit status.
async fn next_stop_signal(signals: &mut ServiceSignals) -> u8 {
    loop {
        if let ServiceSignal::Stop { status } = signals.next().await {
            return status;
        }
    }
}
