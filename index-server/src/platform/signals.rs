//! The signals that a service handles.

pub(crate) use super::system::signals::ServiceSignals;

/// A signal that a service handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceSignal {
    /// A request to shut down.
    Stop {
        /// The exit status for this signal: 128 plus its number.
        status: u8,
    },
    /// A request to read the configuration again.
    Reload,
}
