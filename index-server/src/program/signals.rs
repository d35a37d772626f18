use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Cancels `shutdown` at the first signal to stop; the returned future ends at the second. A closed terminal is no
/// reason to stop.
pub(super) fn watch(shutdown: CancellationToken) -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        // Held so that the signal stays caught.
        let _hangup = hangup;
        either(&mut interrupt, &mut terminate).await;
        info!("asked to stop");
        shutdown.cancel();
        either(&mut interrupt, &mut terminate).await;
        warn!("asked again, stopping at once");
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
