use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::StopSignal;
use crate::essential_task;

/// Signals whose default action ends a program although they are no request to stop: the two user-defined ones, and the one for a
/// write beyond the file size limit, which then fails with an error.
const IGNORED_SIGNALS: [Number; 3] = [Number::USR1, Number::USR2, Number::XFSZ];

/// The signals that end the program or interrupt a command. Their handlers are installed at the start, so that a line editor
/// that replaces one of them restores it.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Installs the handlers; from now on the signals have no default action.
    pub(crate) fn listen() -> io::Result<Self> {
        for number in IGNORED_SIGNALS {
            // The handler stays installed after the stream is dropped.
            drop(signal(SignalKind::from_raw(number.as_raw()))?);
        }
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.hangup.recv() => StopSignal::Terminate,
            () = essential_task::failure() => StopSignal::Terminate,
        }
    }

    /// Waits for Ctrl-C only. Cancel safe.
    pub(crate) async fn interrupted(&mut self) {
        let _ = self.interrupt.recv().await;
    }
}
