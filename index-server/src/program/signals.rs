use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::access::Access;

/// Signals that would terminate the program unless caught, but do not request a shutdown: the two user signals, and the one for
/// a write beyond the file size limit, which then fails with an error instead.
const IGNORED_SIGNALS: [Number; 3] = [Number::USR1, Number::USR2, Number::XFSZ];

/// A second stop signal, received before the shutdown was complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecondSignal {
    /// The exit status for this signal: 128 plus its number.
    pub(super) status: u8,
}

/// Cancels `shutdown` on the first stop signal; the returned future completes on the second. SIGHUP reloads the access lists.
pub(super) fn watch(
    shutdown: CancellationToken,
    access: Access,
) -> io::Result<impl Future<Output = SecondSignal> + Send + 'static> {
    for number in IGNORED_SIGNALS {
        // Once caught, the signal stays caught even though nobody waits for it.
        drop(signal(SignalKind::from_raw(number.as_raw()))?);
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = next_stop_signal(&mut interrupt, &mut terminate) => break,
                _ = hangup.recv() => reload_access(&access).await,
            }
        }
        info!("shutdown requested");
        shutdown.cancel();
        let status = next_stop_signal(&mut interrupt, &mut terminate).await;
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

async fn next_stop_signal(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}
