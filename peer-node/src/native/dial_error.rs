use std::io;
use std::net::SocketAddr;

use super::greeting::LinkGreetingError;

/// Why a peer could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerDialError {
    /// The peer cannot be connected to.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Address of the peer.
        address: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// The handshake failed.
    #[error("{address}: {source}")]
    Greeting {
        /// Address of the peer.
        address: SocketAddr,
        /// Cause.
        source: LinkGreetingError,
    },
    /// The connection limit is reached.
    #[error("cannot connect to {address}: the maximum of {max} connections is open")]
    TooMany {
        /// Address of the peer.
        address: SocketAddr,
        /// Maximum number of connections.
        max: usize,
    },
}

impl PeerDialError {
    /// Returns true if the failure shows that nobody can reach the peer at this address; false if the cause may be on our
    /// side.
    pub(crate) fn is_peer_unreachable(&self) -> bool {
        match self {
            Self::Connect { source, .. } => is_caused_by_peer(source),
            Self::Greeting { source, .. } => match source {
                LinkGreetingError::TimedOut(_)
                | LinkGreetingError::WrongNode
                | LinkGreetingError::NotAGreeting => true,
                LinkGreetingError::Io(error) => is_caused_by_peer(error),
                LinkGreetingError::Preamble(_)
                | LinkGreetingError::OtherVersion(_)
                | LinkGreetingError::Frame(_)
                | LinkGreetingError::SelfConnection => false,
            },
            Self::TooMany { .. } => false,
        }
    }
}

fn is_caused_by_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::UnexpectedEof
    )
}
