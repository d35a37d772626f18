use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end a program unless it catches them, and that are no request to stop: the two without a meaning, and the one behind a
/// write beyond the limit on file sizes, which then fails like any other.
const IGNORED_SIGNALS: [Number; 3] = [Number::USR1, Number::USR2, Number::XFSZ];

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// Ctrl-C: break off what is going on.
    Interrupt,
    /// SIGTERM, or a terminal that is gone: stop in order.
    Terminate,
}

/// The signals that end the program or what it is doing. They are listened for from the beginning, so that a line editor
/// that borrows one of them gives it back to us.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen; from now on the signals do nothing by themselves.
    pub fn listen() -> io::Result<Self> {
        for number in IGNORED_SIGNALS {
            // Caught for good, though nobody listens.
            drop(signal(SignalKind::from_raw(number.as_raw()))?);
        }
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.hangup.recv() => StopSignal::Terminate,
        }
    }

    /// Waits for Ctrl-C alone. Cancel safe.
    pub async fn interrupted(&mut self) {
        let _ = self.interrupt.recv().await;
    }
}
