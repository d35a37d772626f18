use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};

use super::super::StopSignal;
use crate::essential_task;

/// The events of the console that end the program or interrupt a command.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
    close: CtrlClose,
}

impl Signals {
    /// Installs the handlers; from now on the events have no default action.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()?, close: ctrl_close()? })
    }

    /// Waits for the next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.close.recv() => StopSignal::Terminate,
            () = essential_task::failure() => StopSignal::Terminate,
        }
    }

    /// Waits for Ctrl-C only. Cancel safe.
    pub(crate) async fn interrupted(&mut self) {
        let _ = self.interrupt.recv().await;
    }
}
