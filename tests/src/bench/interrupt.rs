//! Ctrl-C and SIGTERM: every wait ends soon after, so that what was started is stopped and what was made is removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How long a wait goes on before it looks whether it was interrupted.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Starts to listen for the signals; the thread ends with the program.
pub(super) fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
            INTERRUPTED.store(true, Ordering::Relaxed);
        });
    });
    Ok(())
}

/// Fails once the program was asked to end.
pub(super) fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// Waits for what `look` finds, asking it for at most a slice of time again and again; none after `limit`.
pub(super) fn wait<T>(limit: Duration, mut look: impl FnMut(Duration) -> Option<T>) -> Result<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if let Some(found) = look(left.min(CHECK_INTERVAL)) {
            return Ok(Some(found));
        }
        if left.is_zero() {
            return Ok(None);
        }
    }
}

/// Waits for a time.
pub(super) fn pause(time: Duration) -> Result<()> {
    wait(time, |slice| {
        thread::sleep(slice);
        None::<()>
    })
    .map(drop)
}
