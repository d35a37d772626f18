use std::error::Error;
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::tracker::udp::DatagramError;
use protocol::tracker::{TrackerFailure, TrackerReplyError};

use super::schedule::AnnounceFailure;
use super::tracker_url::TrackerUrlError;

/// Tells why a tracker could not be asked, in words fit for a screen.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrackerError {
    /// Its name cannot be looked up.
    #[error("no address is known for {host}")]
    UnknownHost { host: String },
    /// It, or where it sends to, is at an address where a torrent may not make us ask.
    #[error("{place} may not be asked: {reason}")]
    Forbidden { place: String, reason: &'static str },
    /// It sends to where we do not go.
    #[error("it sends elsewhere, where we do not go: {0}")]
    BadRedirect(#[from] TrackerUrlError),
    /// It sends from one address to the next.
    #[error("it sends elsewhere more than {limit} times")]
    TooManyRedirects { limit: u32 },
    /// It cannot be reached, or the conversation breaks off.
    #[error("no conversation: {reason}")]
    ConnectionFailed { reason: String },
    /// It takes too long.
    #[error("no answer within {} seconds", after.as_secs_f32())]
    TimedOut { after: Duration },
    /// It answers with an error of HTTP.
    #[error("it answers with HTTP status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    /// What it answers is no answer of a tracker.
    #[error(transparent)]
    InvalidReply(#[from] TrackerReplyError),
    /// What it answers over UDP is no answer of a tracker.
    #[error("not the answer of a tracker: {0}")]
    InvalidDatagram(#[from] DatagramError),
    /// It refuses.
    #[error("it refuses: {}", display_safe(&.0.reason))]
    Refused(TrackerFailure),
}

impl TrackerError {
    /// Tells what went wrong on the way: the first cause, since what stands around it says nothing to a person.
    pub(super) fn connection_failed(error: &dyn Error) -> Self {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::ConnectionFailed { reason: display_safe(&cause.to_string()).into_owned() }
    }

    /// Says what it means for when the tracker is asked again.
    pub(super) fn to_failure(&self) -> AnnounceFailure {
        let asked_pause = match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        let refused = matches!(self, Self::Refused(_) | Self::Status { .. });
        AnnounceFailure { reason: self.to_string(), is_refusal: refused, retry_after: asked_pause }
    }
}
