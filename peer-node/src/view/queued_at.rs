use std::fmt;
use std::net::SocketAddr;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;

use super::{DownloadState, DownloadView};

/// A source that keeps a download waiting, with the queue position that it reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueuedAt {
    /// Listen address of the source.
    pub source: SocketAddr,
    /// Position in the queue, 1 being next, once reported.
    pub position: Option<u32>,
    /// Length of the queue, if reported.
    pub length: Option<u32>,
}

impl fmt::Display for QueuedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queued at {}", self.source)?;
        match (self.position, self.length) {
            (None, _) => Ok(()),
            (Some(place), None) => write!(f, ", position {place}"),
            (Some(place), Some(length)) => write!(f, ", position {place} of {length}"),
        }
    }
}

impl<N> DownloadView<N> {
    /// Returns in a few words why the download receives nothing; `None` if it does, or need not.
    pub(crate) fn wait_reason(&self) -> Option<String> {
        let reason = match &self.state {
            DownloadState::Queued => match self.queue_position {
                Some(position) => format!("waiting for its turn, number {position} in the queue"),
                None => "waiting for its turn".to_owned(),
            },
            DownloadState::Paused => "paused".to_owned(),
            DownloadState::AwaitingSources { was_seen: true } => "waiting for sources".to_owned(),
            DownloadState::AwaitingSources { was_seen: false } => "never seen".to_owned(),
            DownloadState::AwaitingSpace(space) => {
                format!(
                    "waiting for room, {} needed, {} free",
                    DisplaySize(space.needed),
                    DisplaySize(space.free)
                )
            }
            DownloadState::AwaitingSystem { reason } => format!("waiting: {}", display_safe(reason)),
            DownloadState::Fetching if self.sources_active == 0 => self.queued_at?.to_string(),
            _ => return None,
        };
        Some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_position_is_shown_as_far_as_reported() {
        let at = |place, length| {
            QueuedAt { source: ([10, 0, 0, 5], 7).into(), position: place, length }.to_string()
        };
        assert_eq!(at(None, None), "queued at 10.0.0.5:7");
        assert_eq!(at(Some(7), None), "queued at 10.0.0.5:7, position 7");
        assert_eq!(at(Some(7), Some(12)), "queued at 10.0.0.5:7, position 7 of 12");
    }
}
