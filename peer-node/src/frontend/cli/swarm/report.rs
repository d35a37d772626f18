use std::fmt;

use crate::operations::Download;
use crate::view::{ContentId, DownloadId, DownloadState, Priority};

/// The progress of a peer, which it prints as a line for the parent process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PeerProgress {
    is_complete: bool,
    pieces_done: u32,
    pieces: u32,
    bytes_done: u64,
    rate_down: f64,
    rate_up: f64,
    bytes_uploaded: u64,
    peers: usize,
}

impl PeerProgress {
    pub(super) const fn from_view(view: &Download) -> Self {
        Self {
            is_complete: view.state.is_complete(),
            pieces_done: view.pieces_done,
            pieces: view.pieces,
            bytes_done: view.bytes_done,
            rate_down: view.rate_down,
            rate_up: view.rate_up,
            bytes_uploaded: view.bytes_uploaded,
            peers: view.sources_known,
        }
    }

    /// Parses a line; `None` if it is not a progress line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("progress\t")?.split('\t');
        let mut next = || words.next();
        Some(Self {
            is_complete: next()? == "1",
            pieces_done: next()?.parse().ok()?,
            pieces: next()?.parse().ok()?,
            bytes_done: next()?.parse().ok()?,
            rate_down: next()?.parse().ok()?,
            rate_up: next()?.parse().ok()?,
            bytes_uploaded: next()?.parse().ok()?,
            peers: next()?.parse().ok()?,
        })
    }

    /// Returns the progress as a download to show, under a name.
    pub(super) fn view(&self, name: String, size: u64, state: DownloadState) -> Download {
        let (pieces_done, pieces, bytes_done) = (self.pieces_done, self.pieces, self.bytes_done);
        let (rate_down, rate_up, bytes_uploaded) = (self.rate_down, self.rate_up, self.bytes_uploaded);
        Download {
            id: DownloadId(1),
            content: ContentId::GroupFile,
            digest: None,
            name: name.into(),
            size: Some(size),
            state,
            priority: Priority::Normal,
            queue_position: None,
            pieces_done,
            pieces,
            bytes_done,
            bytes_fetched: bytes_done,
            rate_down,
            rate_up,
            bytes_uploaded,
            sources_active: self.peers,
            sources_known: self.peers,
            queued_at: None,
            time_left: None,
            elapsed: std::time::Duration::ZERO,
            sources: Vec::new(),
            trackers: [].into(),
            copied_from: None,
            warning: None,
        }
    }

    /// Returns true if the peer has the complete file.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl fmt::Display for PeerProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pieces_done, pieces, bytes_done, rate_down, rate_up, bytes_uploaded, peers, .. } = self;
        let is_complete = u8::from(self.is_complete);
        write!(f, "progress\t{is_complete}\t{pieces_done}\t{pieces}\t{bytes_done}")?;
        write!(f, "\t{rate_down:.0}\t{rate_up:.0}\t{bytes_uploaded}\t{peers}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_report_lines_are_parsed() {
        let report = PeerProgress {
            is_complete: true,
            pieces_done: 3,
            pieces: 4,
            bytes_done: 5,
            rate_down: 6.0,
            rate_up: 7.0,
            bytes_uploaded: 8,
            peers: 9,
        };
        assert_eq!(PeerProgress::parse(&report.to_string()), Some(report));
        for line in ["", "done\tx\t1", "progress\t1\t2", "progress\t1\tx\t1\t1\t1\t1\t1\t1"] {
            assert_eq!(PeerProgress::parse(line), None, "{line}");
        }
    }
}
