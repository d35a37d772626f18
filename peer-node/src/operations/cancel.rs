use std::time::Duration;

use protocol::infohash::Infohash;
use serde::Serialize;

use super::Operations;
use super::as_text::as_text;
use super::problem::{DownloadProblem, Problem};
use super::transfers::Download;
use crate::view::DownloadId;

/// Maximum time for a cancelled download to save its partial data.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time for stopped downloads to save their partial data.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A download that was cancelled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CancelledDownload {
    /// Its last state; `None` if it has left the list already.
    pub(crate) view: Option<Download>,
    /// Whether it had failed before, and was removed from the list.
    pub(crate) was_removed: bool,
    /// The torrent that is no longer offered, if the download served the torrent of a shared file.
    pub(crate) withdrawn: Option<WithdrawnTorrent>,
}

/// A torrent of a shared file that is no longer offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct WithdrawnTorrent {
    /// The infohash.
    #[serde(serialize_with = "as_text")]
    pub(crate) infohash: Infohash,
    /// Whether the index has withdrawn it; otherwise that happens after reconnecting.
    pub(crate) is_acknowledged: bool,
}

/// How a download is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// For good; its partial data is kept.
    Cancel,
    /// Until the node is started again.
    Suspend,
}

impl Operations {
    /// Cancels a download, and waits at most 5 seconds until it has stopped. A failed one is removed from the list.
    pub(crate) async fn cancel(&self, id: DownloadId) -> Result<CancelledDownload, Problem> {
        let downloads = self.node.downloads();
        let failed = downloads.watch(id).filter(|view| view.borrow().state.is_failed());
        // Withdraw first: otherwise a request from outside could start the torrent again after it has stopped.
        let withdrawal = self.node.shared_torrents().withdraw(id).await;
        if !downloads.cancel(id) {
            return Err(DownloadProblem::NotRunning { id }.into());
        }
        let was_removed = failed.is_some();
        let view = match downloads.watch(id) {
            Some(mut view) => {
                // A download that takes longer still stops later.
                let stopped = view.wait_for(|view| view.state.is_over());
                let _ = tokio::time::timeout(CANCEL_TIMEOUT, stopped).await;
                Some(view.borrow().clone().into())
            }
            None => failed.map(|view| view.borrow().clone().into()),
        };
        let withdrawn = withdrawal.map(|withdrawal| WithdrawnTorrent {
            infohash: withdrawal.infohash,
            is_acknowledged: withdrawal.is_acknowledged,
        });
        Ok(CancelledDownload { view, was_removed, withdrawn })
    }

    /// Stops those of the downloads that are still running, and waits at most 2 seconds until they have saved their data.
    /// Returns their last states.
    pub(crate) async fn stop(&self, ids: Vec<DownloadId>, mode: StopMode) -> Vec<Download> {
        let downloads = self.node.downloads();
        let mut stopped = Vec::new();
        for id in ids {
            // Finished downloads may have left the list.
            if downloads.watch(id).is_none_or(|view| view.borrow().state.is_over()) {
                continue;
            }
            let was_running = match mode {
                StopMode::Cancel => downloads.cancel(id),
                StopMode::Suspend => downloads.suspend(id),
            };
            stopped.extend(downloads.watch(id).filter(|_| was_running));
        }
        let all_over = async {
            for view in &mut stopped {
                let _ = view.wait_for(|view| view.state.is_over()).await;
            }
        };
        // A download that takes longer still stops later.
        let _ = tokio::time::timeout(STOP_TIMEOUT, all_over).await;
        stopped.into_iter().map(|view| view.borrow().clone().into()).collect()
    }

    /// Removes a download that has ended from the list. Its file or partial data stays.
    pub(crate) fn clear(&self, id: DownloadId) -> Result<(), Problem> {
        let downloads = self.node.downloads();
        if downloads.watch(id).is_none() {
            return Err(DownloadProblem::Unknown { id }.into());
        }
        if downloads.clear(id) { Ok(()) } else { Err(DownloadProblem::NotFinished { id }.into()) }
    }
}
