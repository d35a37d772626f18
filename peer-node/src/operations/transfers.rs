//! Downloads and uploads as results: their names can only be shown escaped.

mod record;

pub(in crate::operations) use record::{content_key, state_name};

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use serde::Serialize;

use super::Operations;
use super::display_text::DisplayText;
use super::safe_name::SafeName;
use crate::view::{DownloadState, DownloadView, UploadView};

/// State and progress of a download, as a result.
pub(crate) type Download = DownloadView<SafeName>;

/// An upload of a content to one peer, as a result.
pub(crate) type Upload = UploadView<SafeName>;

/// The downloads and uploads of a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Transfers {
    /// All downloads, running and finished, in the order in which they started.
    pub(crate) downloads: Vec<Download>,
    /// The current uploads.
    pub(crate) uploads: Vec<Upload>,
}

impl Operations {
    /// Returns all downloads, running and finished, in the order in which they started.
    pub(crate) fn downloads(&self) -> Vec<Download> {
        self.node.downloads().views().into_iter().map(Download::from).collect()
    }

    /// Returns why the list of downloads of earlier runs could not be read, if it could not.
    pub(crate) fn list_error(&self) -> Option<DisplayText> {
        self.node.downloads().list_error().map(DisplayText::new)
    }

    /// Returns the downloads and uploads.
    pub(crate) fn transfers(&self) -> Transfers {
        let uploads = self.node.uploads().into_iter().map(Upload::from).collect();
        Transfers { downloads: self.downloads(), uploads }
    }
}

impl Download {
    /// Returns the path of a complete content, otherwise the intended one. `root` is the node's folder.
    pub(crate) fn location(&self, root: &Path) -> PathBuf {
        match &self.state {
            DownloadState::Done { location, .. } | DownloadState::Seeding { location } => location.clone(),
            _ => root.join(self.name.original()),
        }
    }
}

impl From<DownloadView> for Download {
    fn from(view: DownloadView) -> Self {
        let mut sources = view.sources;
        for source in &mut sources {
            source.disconnect_reason = source.disconnect_reason.take().map(escaped);
        }
        Self {
            id: view.id,
            content: view.content,
            digest: view.digest,
            name: view.name.into(),
            size: view.size,
            state: escaped_state(view.state),
            priority: view.priority,
            queue_position: view.queue_position,
            pieces_done: view.pieces_done,
            pieces: view.pieces,
            bytes_done: view.bytes_done,
            bytes_fetched: view.bytes_fetched,
            rate_down: view.rate_down,
            rate_up: view.rate_up,
            bytes_uploaded: view.bytes_uploaded,
            sources_active: view.sources_active,
            sources_known: view.sources_known,
            queued_at: view.queued_at,
            time_left: view.time_left,
            elapsed: view.elapsed,
            sources,
            copied_from: view.copied_from,
            warning: view.warning.map(escaped),
            trackers: view.trackers,
        }
    }
}

impl From<UploadView> for Upload {
    fn from(view: UploadView) -> Self {
        Self {
            peer: view.peer,
            content: view.content,
            name: view.name.into(),
            size: view.size,
            sent: view.sent,
            rate: view.rate,
            queue_position: view.queue_position,
        }
    }
}

/// Escapes a text that may quote a peer.
fn escaped(text: String) -> String {
    match display_safe(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    }
}

/// Escapes the reasons in a state.
fn escaped_state(state: DownloadState) -> DownloadState {
    match state {
        DownloadState::AwaitingSystem { reason } => DownloadState::AwaitingSystem { reason: escaped(reason) },
        DownloadState::Failed { reason } => DownloadState::Failed { reason: escaped(reason) },
        DownloadState::Done { location, renamed } => {
            DownloadState::Done { location, renamed: renamed.map(escaped) }
        }
        other => other,
    }
}

/// Returns a running download of a file.
#[cfg(test)]
pub(crate) fn test_download() -> Download {
    crate::view::test_view().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_download_leaves_unescaped() {
        let state = DownloadState::Failed { reason: "no\u{7}body".into() };
        let view = DownloadView {
            name: "a\u{1b}".into(),
            state,
            warning: Some("\u{202e}".into()),
            ..crate::view::test_view()
        };
        let download = Download::from(view);
        assert_eq!(download.name.to_string(), "a\\u{1b}");
        assert_eq!(download.state, DownloadState::Failed { reason: "no\\u{7}body".into() });
        assert_eq!(download.warning.as_deref(), Some("\\u{202e}"));
    }
}
