use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::time::Duration;

use protocol::lan::ChunkName;

/// What the parts have to tell whoever started them.
#[derive(Debug)]
pub(crate) enum LanEvent {
    /// Chunks are announced.
    Announcing { chunks: usize, to: Vec<SocketAddrV4>, period: Duration },
    /// An announcement could not be sent.
    AnnounceFailed { to: SocketAddrV4, error: io::Error },
    /// There is more than is announced.
    TooManyChunks { announced: usize },
    /// A chunk, or somebody who has it, was heard of for the first time.
    Discovered { chunk: ChunkName, from: IpAddr },
    /// A datagram was refused.
    DatagramRefused { from: IpAddr, reason: String },
    /// A chunk was fetched.
    Downloaded { chunk: ChunkName, from: IpAddr, bytes: u64, is_verified: bool },
    /// A chunk is here from before.
    AlreadyPresent { chunk: ChunkName },
    /// Somebody did not give a chunk.
    FetchFailed { chunk: ChunkName, from: IpAddr, reason: String },
    /// A chunk was given.
    Uploaded { chunk: ChunkName, to: IpAddr },
    /// The port of chunks is still held by connections of an ended program.
    PortClosing { address: SocketAddrV4, most: Duration },
    /// Chunks are given from now on.
    Serving { address: SocketAddrV4 },
    /// Something does not work at the moment.
    Trouble { what: String },
}

impl LanEvent {
    /// Says whether it belongs on stderr.
    pub(crate) const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::AnnounceFailed { .. }
                | Self::TooManyChunks { .. }
                | Self::DatagramRefused { .. }
                | Self::FetchFailed { .. }
                | Self::PortClosing { .. }
                | Self::Trouble { .. }
        )
    }
}

impl fmt::Display for LanEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announcing { chunks, to, period } => {
                let to: Vec<String> = to.iter().map(ToString::to_string).collect();
                let (to, seconds) = (to.join(", "), period.as_secs_f64());
                write!(f, "announcing {chunks} chunks to {to} every {seconds} s")
            }
            Self::AnnounceFailed { to, error } => write!(f, "no announcement to {to}: {error}; trying again"),
            Self::TooManyChunks { announced } => {
                write!(f, "the folder has too many chunks: only {announced} are announced")
            }
            Self::Discovered { chunk, from } => write!(f, "heard {chunk} at {from}"),
            Self::DatagramRefused { from, reason } => {
                write!(f, "a datagram from {from} was refused: {reason}")
            }
            Self::Downloaded { chunk, from, bytes, is_verified } => {
                let how = if *is_verified { "verified" } else { "not verified" };
                write!(f, "{chunk} downloaded from {from}, {bytes} bytes, {how}")
            }
            Self::AlreadyPresent { chunk } => write!(f, "{chunk} is here already"),
            Self::FetchFailed { chunk, from, reason } => write!(f, "{from} did not give {chunk}: {reason}"),
            Self::Uploaded { chunk, to } => write!(f, "{chunk} sent to {to}"),
            Self::PortClosing { address, most } => write!(
                f,
                "{address} is not free yet: connections of a program that has ended are still closing there (TIME_WAIT); retrying for up to {} s",
                most.as_secs()
            ),
            Self::Serving { address } => write!(f, "giving chunks on {address}"),
            Self::Trouble { what } => f.write_str(what),
        }
    }
}
