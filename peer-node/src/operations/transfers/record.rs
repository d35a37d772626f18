use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::digest::Digest;
use protocol::escape::display_safe_bytes;
use serde::{Serialize, Serializer};

use super::{Download, Upload};
use crate::operations::safe_name::SafeName;
use crate::view::{ContentId, DownloadState, SourceView, TrackerView};

/// The serialized form of a download: raw numbers, bytes, bytes/s and seconds.
#[derive(Serialize)]
struct DownloadRecord<'a> {
    number: u32,
    #[serde(flatten)]
    content: ContentRecord<'a>,
    /// The SHA-256 of the file, if it is known.
    sha256: Option<String>,
    #[serde(flatten)]
    state: StateRecord,
    priority: &'static str,
    queue_position: Option<usize>,
    #[serde(flatten)]
    progress: ProgressRecord,
    sources_active: usize,
    sources_known: usize,
    sources: Vec<SourceRecord<'a>>,
    trackers: Vec<TrackerRecord<'a>>,
    copied_from: Option<String>,
    warning: Option<&'a str>,
}

/// What is transferred.
#[derive(Serialize)]
struct ContentRecord<'a> {
    /// For example `sha256:` and 64 digits; the same in every run of the node.
    content: String,
    name: &'a SafeName,
    size: Option<u64>,
}

#[derive(Serialize)]
struct StateRecord {
    state: &'static str,
    /// The path of a complete content.
    location: Option<String>,
    /// Why it failed or waits.
    reason: Option<String>,
}

#[derive(Serialize)]
struct ProgressRecord {
    pieces_done: u32,
    pieces: u32,
    bytes_done: u64,
    bytes_fetched: u64,
    bytes_uploaded: u64,
    rate_down: f64,
    rate_up: f64,
    elapsed_s: f64,
    time_left_s: Option<f64>,
}

#[derive(Serialize)]
struct SourceRecord<'a> {
    address: SocketAddr,
    bytes: u64,
    rate: f64,
    disconnect_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct TrackerRecord<'a> {
    name: &'a str,
    state: String,
    seeders: Option<u32>,
    leechers: Option<u32>,
}

#[derive(Serialize)]
struct UploadRecord<'a> {
    peer: SocketAddr,
    #[serde(flatten)]
    content: ContentRecord<'a>,
    bytes_sent: u64,
    rate: f64,
    queue_position: Option<u32>,
}

impl<'a> ContentRecord<'a> {
    fn new(content: &ContentId, name: &'a SafeName, size: Option<u64>) -> Self {
        Self { content: content_key(content), name, size }
    }
}

impl From<&DownloadState> for StateRecord {
    fn from(state: &DownloadState) -> Self {
        let location = match state {
            DownloadState::Done { location, .. } | DownloadState::Seeding { location } => {
                Some(path_text(location))
            }
            _ => None,
        };
        let reason = match state {
            DownloadState::Failed { reason } | DownloadState::AwaitingSystem { reason } => {
                Some(reason.clone())
            }
            DownloadState::Done { renamed, .. } => renamed.clone(),
            _ => None,
        };
        Self { state: state_name(state), location, reason }
    }
}

impl<'a> From<&'a SourceView> for SourceRecord<'a> {
    fn from(source: &'a SourceView) -> Self {
        let disconnect_reason = source.disconnect_reason.as_deref();
        Self { address: source.address, bytes: source.bytes, rate: source.rate, disconnect_reason }
    }
}

impl<'a> From<&'a TrackerView> for TrackerRecord<'a> {
    fn from(tracker: &'a TrackerView) -> Self {
        let TrackerView { name, state, seeders, leechers, .. } = tracker;
        Self { name, state: state.to_string(), seeders: *seeders, leechers: *leechers }
    }
}

impl<'a> From<&'a Download> for DownloadRecord<'a> {
    fn from(download: &'a Download) -> Self {
        Self {
            number: download.id.0,
            content: ContentRecord::new(&download.content, &download.name, download.size),
            sha256: download.digest.as_ref().map(Digest::to_string),
            state: StateRecord::from(&download.state),
            priority: download.priority.name(),
            queue_position: download.queue_position,
            progress: ProgressRecord {
                pieces_done: download.pieces_done,
                pieces: download.pieces,
                bytes_done: download.bytes_done,
                bytes_fetched: download.bytes_fetched,
                bytes_uploaded: download.bytes_uploaded,
                rate_down: download.rate_down,
                rate_up: download.rate_up,
                elapsed_s: download.elapsed.as_secs_f64(),
                time_left_s: download.time_left.as_ref().map(Duration::as_secs_f64),
            },
            sources_active: download.sources_active,
            sources_known: download.sources_known,
            sources: download.sources.iter().map(SourceRecord::from).collect(),
            trackers: download.trackers.iter().map(TrackerRecord::from).collect(),
            copied_from: download.copied_from.as_ref().map(|path: &PathBuf| path_text(path)),
            warning: download.warning.as_deref(),
        }
    }
}

impl Serialize for Download {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DownloadRecord::from(self).serialize(serializer)
    }
}

impl Serialize for Upload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = ContentRecord::new(&self.content, &self.name, Some(self.size));
        let Self { peer, sent, rate, queue_position, .. } = *self;
        UploadRecord { peer, content, bytes_sent: sent, rate, queue_position }.serialize(serializer)
    }
}

/// Returns the key of a content: `sha256:` or `btih:`, and its digits.
pub(in crate::operations) fn content_key(content: &ContentId) -> String {
    match content {
        ContentId::File(digest) => format!("sha256:{digest}"),
        ContentId::Torrent(infohash) => format!("btih:{infohash}"),
        ContentId::GroupFile => content.to_string(),
    }
}

fn path_text(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}

/// Returns the name of a state. The names are stable.
pub(in crate::operations) const fn state_name(state: &DownloadState) -> &'static str {
    match state {
        DownloadState::Queued => "queued",
        DownloadState::Paused => "paused",
        DownloadState::AwaitingSources { .. } => "awaiting_sources",
        DownloadState::AwaitingSpace(_) => "awaiting_space",
        DownloadState::AwaitingSystem { .. } => "awaiting_system",
        DownloadState::Searching => "searching",
        DownloadState::Verifying => "verifying",
        DownloadState::Fetching => "fetching",
        DownloadState::Finishing => "finishing",
        DownloadState::Seeding { .. } => "seeding",
        DownloadState::Done { .. } => "done",
        DownloadState::Failed { .. } => "failed",
        DownloadState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operations::transfers::test_download;

    #[test]
    fn download_serializes_with_raw_numbers() {
        let state = DownloadState::Done { location: "/srv/a\tb".into(), renamed: None };
        let value = serde_json::to_value(Download { state, ..test_download() }).unwrap();
        let digest = Digest::EMPTY.to_string();
        for (key, expected) in [
            ("number", json!(1)),
            ("content", json!(format!("sha256:{digest}"))),
            ("sha256", json!(digest)),
            ("name", json!("debian-12.5.0-amd64-netinst.iso")),
            ("size", json!(2_576_980_377_u64)),
            ("state", json!("done")),
            ("location", json!("/srv/a\\tb")),
            ("bytes_done", json!(851_443_712)),
            ("elapsed_s", json!(25.0)),
            ("sources_known", json!(5)),
        ] {
            assert_eq!(value[key], expected, "{key}");
        }
    }

    #[test]
    fn upload_serializes_with_raw_numbers() {
        let upload = Upload {
            peer: ([10, 0, 0, 1], 7).into(),
            content: ContentId::File(Digest::EMPTY),
            name: "a".into(),
            size: 5,
            sent: 3,
            rate: 1.5,
            queue_position: None,
        };
        let expected = json!({
            "peer": "10.0.0.1:7",
            "content": format!("sha256:{}", Digest::EMPTY),
            "name": "a",
            "size": 5,
            "bytes_sent": 3,
            "rate": 1.5,
            "queue_position": null,
        });
        assert_eq!(serde_json::to_value(upload).unwrap(), expected);
    }
}
