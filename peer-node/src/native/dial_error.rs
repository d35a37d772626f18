use std::io;
use std::net::SocketAddr;

use super::greeting::GreetingError;

/// A peer that could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing answers there.
    #[error("{address} does not answer: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What answers there is not the peer.
    #[error("{address}: {source}")]
    Greeting {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: GreetingError,
    },
    /// There may be no more connections.
    #[error(
        "{address} was not called: {most} connections are open, and there may be no more (--max-connections)"
    )]
    TooMany {
        /// Where.
        address: SocketAddr,
        /// How many there may be.
        most: usize,
    },
}
