use std::path::PathBuf;

use protocol::digest::Digest;
use tokio::sync::watch;

use super::Operations;
use super::safe_name::SafeName;
use super::transfers::Download;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// A download that somebody waits for. Its state is held from the start, because the list drops the oldest finished downloads.
#[derive(Debug, Clone)]
pub(crate) struct AwaitedDownload {
    id: DownloadId,
    view: watch::Receiver<DownloadView>,
    /// The requested file; `None` if the content of a torrent was requested.
    file: Option<Digest>,
}

/// How an awaited download ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadOutcome {
    /// The requested content is here.
    Complete {
        /// Where it was saved and why, if not under the requested name.
        renamed: Option<(PathBuf, SafeName)>,
    },
    /// A torrent that claimed to contain the requested file is complete, but does not contain it.
    WrongContent,
    /// The download failed or was stopped.
    Incomplete,
}

impl AwaitedDownload {
    pub(super) const fn new(
        id: DownloadId,
        view: watch::Receiver<DownloadView>,
        file: Option<Digest>,
    ) -> Self {
        Self { id, view, file }
    }

    /// Returns the number of the download.
    pub(crate) const fn id(&self) -> DownloadId {
        self.id
    }

    /// Returns the requested file; `None` if a torrent was requested.
    pub(crate) const fn file(&self) -> Option<Digest> {
        self.file
    }

    /// Returns the current state, without its position in the queue.
    pub(crate) fn view(&self) -> Download {
        self.view.borrow().clone().into()
    }

    /// Waits for the next change of the state. Returns at once if the node has stopped. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        let _ = self.view.changed().await;
    }

    /// Returns true if there is nothing more to wait for: the download has ended, is seeding, or stopped with its node.
    pub(crate) fn is_over(&self) -> bool {
        self.view.borrow().state.is_settled() || self.view.has_changed().is_err()
    }

    /// Returns how the download ended. To be asked only if it is over.
    pub(crate) fn outcome(&self) -> DownloadOutcome {
        outcome_of(&self.view.borrow(), self.file)
    }
}

impl Operations {
    /// Returns the current state of an awaited download, with its position in the queue.
    pub(crate) fn ranked_view(&self, download: &AwaitedDownload) -> Download {
        self.node.downloads().with_rank(download.view.borrow().clone()).into()
    }
}

/// Returns the outcome of a download of `file`, which is over.
fn outcome_of(view: &DownloadView, file: Option<Digest>) -> DownloadOutcome {
    if !view.state.is_complete() {
        return DownloadOutcome::Incomplete;
    }
    if file.is_some_and(|file| view.digest != Some(file)) {
        return DownloadOutcome::WrongContent;
    }
    let renamed = match &view.state {
        DownloadState::Done { location, renamed: Some(reason) } => {
            Some((location.clone(), reason.as_str().into()))
        }
        _ => None,
    };
    DownloadOutcome::Complete { renamed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::test_view;

    #[test]
    fn complete_torrent_with_another_file_is_no_success() {
        let requested = Digest::from_bytes([1; 32]);
        let state = DownloadState::Seeding { location: "/x".into() };
        let of = |digest| {
            outcome_of(&DownloadView { digest, state: state.clone(), ..test_view() }, Some(requested))
        };
        assert_eq!(of(Some(requested)), DownloadOutcome::Complete { renamed: None });
        assert_eq!(of(Some(Digest::EMPTY)), DownloadOutcome::WrongContent);
        assert_eq!(of(None), DownloadOutcome::WrongContent);
        let torrent = DownloadView { digest: None, state, ..test_view() };
        assert_eq!(outcome_of(&torrent, None), DownloadOutcome::Complete { renamed: None });
    }

    #[test]
    fn renamed_file_is_reported_with_the_reason() {
        let state = DownloadState::Done { location: "/x".into(), renamed: Some("a\u{7} is taken".into()) };
        let outcome = outcome_of(&DownloadView { state, ..test_view() }, None);
        let renamed = Some(("/x".into(), "a\u{7} is taken".into()));
        assert_eq!(outcome, DownloadOutcome::Complete { renamed });
        let stopped = DownloadView { state: DownloadState::Cancelled, ..test_view() };
        assert_eq!(outcome_of(&stopped, None), DownloadOutcome::Incomplete);
    }
}
