use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::time::Duration;

use protocol::lan::ChunkName;

/// An event of the LAN programs, for their front end.
#[derive(Debug)]
pub(crate) enum LanEvent {
    /// Chunks are being announced.
    Announcing { chunks: usize, to: Vec<SocketAddrV4>, period: Duration },
    /// An announcement could not be sent.
    AnnounceFailed { to: SocketAddrV4, error: io::Error },
    /// The folder has more chunks than can be announced.
    TooManyChunks { announced: usize },
    /// A chunk, or another holder of it, was announced for the first time.
    Discovered { chunk: ChunkName, from: IpAddr },
    /// A datagram was refused.
    DatagramRefused { from: IpAddr, reason: String },
    /// A chunk was downloaded.
    Downloaded { chunk: ChunkName, from: IpAddr, bytes: u64, is_verified: bool },
    /// A chunk is already in the folder.
    AlreadyPresent { chunk: ChunkName },
    /// A peer did not send a chunk.
    FetchFailed { chunk: ChunkName, from: IpAddr, reason: String },
    /// A chunk was uploaded.
    Uploaded { chunk: ChunkName, to: IpAddr },
    /// Closing connections of an ended program still hold the chunk port.
    PortClosing { address: SocketAddrV4, max_wait: Duration },
    /// Chunks are served from now on.
    Serving { address: SocketAddrV4 },
    /// A temporary problem.
    Failed { what: String },
}

impl LanEvent {
    /// Returns true if the event belongs on stderr.
    pub(crate) const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::AnnounceFailed { .. }
                | Self::TooManyChunks { .. }
                | Self::DatagramRefused { .. }
                | Self::FetchFailed { .. }
                | Self::PortClosing { .. }
                | Self::Failed { .. }
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
            Self::AnnounceFailed { to, error } => write!(f, "cannot announce to {to}: {error}; retrying"),
            Self::TooManyChunks { announced } => {
                write!(f, "the folder has too many chunks: only {announced} are announced")
            }
            Self::Discovered { chunk, from } => write!(f, "discovered {chunk} at {from}"),
            Self::DatagramRefused { from, reason } => {
                write!(f, "a datagram from {from} was refused: {reason}")
            }
            Self::Downloaded { chunk, from, bytes, is_verified } => {
                let how = if *is_verified { "verified" } else { "not verified" };
                write!(f, "{chunk} downloaded from {from}, {bytes} bytes, {how}")
            }
            Self::AlreadyPresent { chunk } => write!(f, "{chunk} is already present"),
            Self::FetchFailed { chunk, from, reason } => write!(f, "{from} did not send {chunk}: {reason}"),
            Self::Uploaded { chunk, to } => write!(f, "{chunk} sent to {to}"),
            Self::PortClosing { address, max_wait: most } => write!(
                f,
                "{address} is not free yet: connections of a program that has ended are still closing there (TIME_WAIT); retrying for up to {} s",
                most.as_secs()
            ),
            Self::Serving { address } => write!(f, "serving chunks on {address}"),
            Self::Failed { what } => f.write_str(what),
        }
    }
}
