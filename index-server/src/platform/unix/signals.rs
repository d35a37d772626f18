use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::ServiceSignal;

/// Signals that would terminate the program unless caught, but do not request a shutdown: the two user signals, and the one for
/// a write beyond the file size limit, which then fails with an error instead.
const IGNORED_SIGNALS: [Number; 3] = [Number::USR1, Number::USR2, Number::XFSZ];

/// The signals that a service handles: Ctrl-C, SIGTERM, and SIGHUP to reload.
#[derive(Debug)]
pub(crate) struct ServiceSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl ServiceSignals {
    /// Installs the handlers; from now on the signals have no default action.
    pub(crate) fn listen() -> io::Result<Self> {
        for number in IGNORED_SIGNALS {
            // Once caught, the signal stays caught even though nobody waits for it.
            drop(signal(SignalKind::from_raw(number.as_raw()))?);
        }
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: signal(SignalKind::hangup())? })
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> ServiceSignal {
        tokio::select! {
            _ = self.interrupt.recv() => ServiceSignal::Stop { status: 130 },
            _ = self.terminate.recv() => ServiceSignal::Stop { status: 143 },
            _ = self.hangup.recv() => ServiceSignal::Reload,
        }
    }
}
