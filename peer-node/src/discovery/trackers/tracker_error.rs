use std::error::Error;
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::tracker::udp::DatagramError;
use protocol::tracker::{TrackerFailure, TrackerReplyError};

use super::schedule::AnnounceFailure;
use super::tracker_url::TrackerUrlError;

/// Why an announce failed, in words fit for display.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrackerError {
    /// The host name cannot be resolved.
    #[error("cannot resolve {host}")]
    UnknownHost { host: String },
    /// The tracker, or the target of its redirect, is at an address that a torrent may not make us contact.
    #[error("refusing to contact {target}: {reason}")]
    Forbidden { target: String, reason: &'static str },
    /// The redirect has an invalid or unsupported URL.
    #[error("invalid redirect: {0}")]
    BadRedirect(#[from] TrackerUrlError),
    /// There are too many redirects.
    #[error("more than {limit} redirects")]
    TooManyRedirects { limit: u32 },
    /// The connection failed or broke.
    #[error("connection failed: {reason}")]
    ConnectionFailed { reason: String },
    /// There was no reply in time.
    #[error("no answer within {} seconds", after.as_secs_f32())]
    TimedOut { after: Duration },
    /// The reply is an HTTP error.
    #[error("HTTP status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    /// The HTTP reply is not that of a tracker.
    #[error(transparent)]
    InvalidReply(#[from] TrackerReplyError),
    /// The datagram is not that of a tracker.
    #[error("invalid tracker reply: {0}")]
    InvalidDatagram(#[from] DatagramError),
    /// The tracker refused.
    #[error("refused: {}", display_safe(&.0.reason))]
    Refused(TrackerFailure),
}

impl TrackerError {
    /// Creates an error from the innermost cause; the outer layers mean nothing to users.
    pub(super) fn connection_failed(error: &dyn Error) -> Self {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::ConnectionFailed { reason: display_safe(&cause.to_string()).into_owned() }
    }

    /// Converts the error for the schedule, which decides when to retry.
    pub(super) fn to_failure(&self) -> AnnounceFailure {
        let retry_after = match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        let is_refusal = matches!(self, Self::Refused(_) | Self::Status { .. });
        AnnounceFailure { reason: self.to_string(), is_refusal, retry_after }
    }
}
