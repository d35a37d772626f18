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

impl DialError {
    /// Returns true if the peer does not serve where it is said to be, whoever calls it; false if the reason may be ours.
    pub(crate) fn is_dead(&self) -> bool {
        match self {
            Self::Connect { source, .. } => is_theirs(source),
            Self::Greeting { source, .. } => match source {
                GreetingError::TimedOut(_) | GreetingError::WrongNode | GreetingError::NotAGreeting => true,
                GreetingError::Io(error) => is_theirs(error),
                GreetingError::Preamble(_)
                | GreetingError::OtherVersion(_)
                | GreetingError::Frame(_)
                | GreetingError::Ourselves => false,
            },
            Self::TooMany { .. } => false,
        }
    }
}

fn is_theirs(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::UnexpectedEof
    )
}
