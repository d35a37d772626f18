use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

use super::super::ServiceSignal;

/// The events of the console that a service handles: Ctrl-C and Ctrl-Break. None requests a reload.
#[derive(Debug)]
pub(crate) struct ServiceSignals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
}

impl ServiceSignals {
    /// Installs the handlers; from now on the events have no default action.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()? })
    }

    /// Waits for the next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> ServiceSignal {
        tokio::select! {
            _ = self.interrupt.recv() => ServiceSignal::Stop { status: 130 },
            _ = self.terminate.recv() => ServiceSignal::Stop { status: 143 },
        }
    }
}
