//! Trackers over UDP (BEP 15): every request and every response is one datagram.
//!
//! A client first requests a connection id, which proves that it receives datagrams at its source address; the id is
//! valid for a minute. Each request has a transaction id that its response repeats. Options (BEP 41) may follow an
//! announce. Numbers are big-endian.

mod fields;
mod options;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::UdpRequest;
pub use response::{AddressFamily, UdpResponse};

/// The protocol id in a request for a connection id.
pub const MAGIC: u64 = 0x0417_2710_1980;

/// Why a datagram is not a valid request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// The datagram is too short for its action.
    #[error("the datagram is truncated at {length} bytes")]
    Truncated {
        /// The length of the datagram in bytes.
        length: usize,
    },
    /// The action is unknown.
    #[error("unknown action {action}")]
    UnknownAction {
        /// The action.
        action: u32,
    },
    /// The protocol id of a connect request is wrong.
    #[error("wrong protocol id")]
    WrongProtocol,
}

/// The actions of datagrams.
mod action {
    pub(super) const CONNECT: u32 = 0;
    pub(super) const ANNOUNCE: u32 = 1;
    pub(super) const SCRAPE: u32 = 2;
    pub(super) const ERROR: u32 = 3;
}
