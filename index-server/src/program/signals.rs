use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::access::Access;

/// Signals that end a program unless it catches them, and that are no request to stop: the two without a meaning, and the one behind a
/// write beyond the limit on file sizes, which then fails like any other.
const IGNORED_SIGNALS: [Number; 3] = [Number::USR1, Number::USR2, Number::XFSZ];

/// A second signal to stop, before the first was done with.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecondSignal {
    /// The status that such an end has: 128 and the signal's number.
    pub(super) status: u8,
}

/// Cancels `shutdown` at the first signal to stop; the returned future ends at the second. A closed terminal is no
/// reason to stop: that signal has the lists of whom the index serves read again.
pub(super) fn watch(
    shutdown: CancellationToken,
    access: Access,
) -> io::Result<impl Future<Output = SecondSignal> + Send + 'static> {
    for number in IGNORED_SIGNALS {
        // Caught for good, though nobody listens.
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
        info!("asked to stop");
        shutdown.cancel();
        let status = next_stop_signal(&mut interrupt, &mut terminate).await;
        warn!("asked again, stopping at once");
        SecondSignal { status }
    })
}

async fn reload_access(access: &Access) {
    let access = access.clone();
    match tokio::task::spawn_blocking(move || access.reload()).await {
        Ok(Ok(())) => info!("read the lists of whom to serve again"),
        Ok(Err(error)) => error!(%error, "keeps the lists of whom to serve as they were"),
        Err(error) => error!(%error, "cannot read the lists of whom to serve"),
    }
}

async fn next_stop_signal(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}
