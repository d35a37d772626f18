use std::time::Duration;

use protocol::digest::Digest;

use super::{ContentId, DownloadId, DownloadState, DownloadView, Priority};

/// Returns a running download of a file.
pub(crate) fn test_view() -> DownloadView {
    DownloadView {
        id: DownloadId(1),
        content: ContentId::File(Digest::EMPTY),
        digest: Some(Digest::EMPTY),
        name: "debian-12.5.0-amd64-netinst.iso".into(),
        size: Some(2_576_980_377),
        state: DownloadState::Fetching,
        priority: Priority::Normal,
        queue_position: None,
        pieces_done: 812,
        pieces: 2458,
        bytes_done: 851_443_712,
        bytes_fetched: 851_443_712,
        rate_down: 34_707_866.0,
        rate_up: 1_258_291.0,
        bytes_uploaded: 0,
        copied_from: None,
        warning: None,
        sources_active: 4,
        sources_known: 5,
        queued_at: None,
        time_left: Some(Duration::from_secs(50)),
        elapsed: Duration::from_secs(25),
        sources: Vec::new(),
        trackers: [].into(),
    }
}
