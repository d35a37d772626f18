//! Ctrl-C and SIGTERM. Every wait ends soon after a signal, so that processes are stopped and temporary files removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Interval at which a wait checks for an interrupt.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Starts the signal handler; its thread ends with the program.
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

/// Returns an error once the program was interrupted.
pub(super) fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// Calls `poll` with short timeouts until it returns a value. Returns `None` after `limit`.
pub(super) fn wait<T>(limit: Duration, mut poll: impl FnMut(Duration) -> Option<T>) -> Result<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        check()?;
        let remaining = end.saturating_duration_since(Instant::now());
        if let Some(found) = poll(remaining.min(CHECK_INTERVAL)) {
            return Ok(Some(found));
        }
        if remaining.is_zero() {
            return Ok(None);
        }
    }
}

/// Waits for a duration.
pub(super) fn pause(time: Duration) -> Result<()> {
    wait(time, |slice| {
        thread::sleep(slice);
        None::<()>
    })
    .map(drop)
}
