//! Signals to this program.

pub(crate) use super::system::signals::Signals;

/// What a signal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// Ctrl-C: interrupt the current command.
    Interrupt,
    /// SIGTERM or SIGHUP, or an essential task has panicked: shut down cleanly.
    Terminate,
}
