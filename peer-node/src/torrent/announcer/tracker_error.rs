use std::error::Error;
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::tracker::udp::DatagramError;
use protocol::tracker::{Failure, ReplyError};

use super::schedule::Setback;
use super::tracker_address::AddressError;

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
    SendsAstray(#[from] AddressError),
    /// It sends from one address to the next.
    #[error("it sends elsewhere more than {limit} times")]
    SendsOn { limit: u32 },
    /// It cannot be reached, or the conversation breaks off.
    #[error("no conversation: {reason}")]
    NoConversation { reason: String },
    /// It takes too long.
    #[error("no answer within {} seconds", after.as_secs_f32())]
    TooSlow { after: Duration },
    /// It answers with an error of HTTP.
    #[error("it answers with HTTP status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    /// What it answers is no answer of a tracker.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// What it answers over UDP is no answer of a tracker.
    #[error("not the answer of a tracker: {0}")]
    Datagram(#[from] DatagramError),
    /// It refuses.
    #[error("it refuses: {}", display_safe(&.0.reason))]
    Refused(Failure),
}

impl TrackerError {
    /// Tells what went wrong on the way: the first cause, since what stands around it says nothing to a person.
    pub(super) fn on_the_way(error: &dyn Error) -> Self {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::NoConversation { reason: display_safe(&cause.to_string()).into_owned() }
    }

    /// Says what it means for when the tracker is asked again.
    pub(super) fn setback(&self) -> Setback {
        let asked_pause = match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        let refused = matches!(self, Self::Refused(_) | Self::Status { .. });
        Setback { reason: self.to_string(), refused, asked_pause }
    }
}
