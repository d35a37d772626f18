use std::io;
use std::net::SocketAddr;

use super::greeting::GreetingError;

/// A peer that was dialled in vain.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Nothing answers there.
    #[error("{address} does not answer: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What answers there is not a peer that has the torrent.
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
    /// We have reached ourselves.
    #[error("{address} is this node's own")]
    Ourselves {
        /// Where.
        address: SocketAddr,
    },
    /// There is a connection to that peer, which perhaps it has made.
    #[error("{address} is connected already")]
    AlreadyConnected {
        /// Where.
        address: SocketAddr,
    },
}

impl WireError {
    /// Says whether the address may lead to a peer another time.
    pub const fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::TooMany { .. } | Self::AlreadyConnected { .. } => true,
            Self::Greeting { source, .. } => {
                use GreetingError::{Io, TimedOut, Unanswered};
                matches!(source, Io(_) | TimedOut | Unanswered)
            }
            Self::Ourselves { .. } => false,
        }
    }
}
