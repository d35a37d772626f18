use std::io;
use std::net::SocketAddr;

use super::greeting::LinkGreetingError;

/// A peer that could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum PeerDialError {
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
        source: LinkGreetingError,
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

impl PeerDialError {
    /// Returns true if the peer does not serve where it is said to be, whoever calls it; false if the reason may be ours.
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
