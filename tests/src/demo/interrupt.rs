use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Set when the user or the system wants the demo to end. The demo then ends as after an error, and cleans up.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts watching for Ctrl-C, SIGTERM and a closed terminal.
    pub(super) fn watch() -> Result<Self> {
        let interrupt = Self(Arc::default());
        let raised = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut control_c, mut term, mut hangup) = {
            let _inside = runtime.enter();
            let signal = |kind| signal(kind).context("cannot watch for signals");
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            )
        };
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = control_c.recv() => {}
                        _ = term.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    raised.0.store(true, Ordering::SeqCst);
                }
            });
        });
        Ok(interrupt)
    }

    /// Returns an error once the demo was interrupted.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::SeqCst) {
            bail!("interrupted; everything is stopped and removed");
        }
        Ok(())
    }
}
