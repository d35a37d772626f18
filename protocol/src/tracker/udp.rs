//! Trackers over UDP (BEP 15): every question and every answer is one datagram.
//!
//! A client first asks for a connection id, which shows that it has the address it writes from; the id is good for a
//! minute. Each question has a transaction number that its answer repeats. Options (BEP 41) may
//! follow an announcement. Numbers are most significant byte first.

mod fields;
mod options;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::UdpRequest;
pub use response::{AddressFamily, UdpResponse};

/// The number that begins a request for a connection id.
pub const MAGIC: u64 = 0x0417_2710_1980;

/// Tells why a datagram is neither a question nor an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// It is shorter than what it says to be.
    #[error("a datagram of {length} bytes breaks off")]
    Truncated {
        /// How many bytes it has.
        length: usize,
    },
    /// It says to be something unknown.
    #[error("a datagram with the unknown action {action}")]
    UnknownAction {
        /// The number of the action.
        action: u32,
    },
    /// It asks for a connection id in another protocol.
    #[error("a datagram of another protocol")]
    WrongProtocol,
}

/// What a datagram is.
mod action {
    pub(super) const CONNECT: u32 = 0;
    pub(super) const ANNOUNCE: u32 = 1;
    pub(super) const SCRAPE: u32 = 2;
    pub(super) const ERROR: u32 = 3;
}
