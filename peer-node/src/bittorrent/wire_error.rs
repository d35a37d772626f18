use std::io;
use std::net::SocketAddr;

use super::handshake::PeerHandshakeError;

/// A peer that was dialled in vain.
#[derive(Debug, thiserror::Error)]
pub enum PeerWireError {
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
    Handshake {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: PeerHandshakeError,
    },
    /// There may be no more connections.
    #[error(
        "{address} was not called: {most} connections are open, and there may be no more (--max-connections)"
    )]
    TooManyConnections {
        /// Where.
        address: SocketAddr,
        /// How many there may be.
        most: usize,
    },
    /// We have reached ourselves.
    #[error("{address} is this node's own")]
    SelfConnection {
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

impl PeerWireError {
    /// Says whether the address may lead to a peer another time.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::TooManyConnections { .. } | Self::AlreadyConnected { .. } => true,
            Self::Handshake { source, .. } => {
                use PeerHandshakeError::{ClosedBeforeHandshake, Io, TimedOut};
                matches!(source, Io(_) | TimedOut | ClosedBeforeHandshake)
            }
            Self::SelfConnection { .. } => false,
        }
    }
}
