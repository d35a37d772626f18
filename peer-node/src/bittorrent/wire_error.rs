use std::io;
use std::net::SocketAddr;

use super::handshake::PeerHandshakeError;

/// Why dialling a peer failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerWireError {
    /// The connection could not be opened.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The handshake failed: no BitTorrent peer, or none with this torrent.
    #[error("{address}: {source}")]
    Handshake {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: PeerHandshakeError,
    },
    /// The connection limit is reached.
    #[error("cannot connect to {address}: the maximum of {max} connections is open")]
    TooManyConnections {
        /// The address.
        address: SocketAddr,
        /// The limit.
        max: usize,
    },
    /// The address leads to this node itself.
    #[error("{address} is this node's own address")]
    SelfConnection {
        /// The address.
        address: SocketAddr,
    },
    /// The peer is connected already; it may have dialled us.
    #[error("already connected to {address}")]
    AlreadyConnected {
        /// The address.
        address: SocketAddr,
    },
}

impl PeerWireError {
    /// Returns true if dialling this address again may succeed.
    pub(crate) const fn is_retryable(&self) -> bool {
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
