use std::time::Duration;

use super::Operations;
use super::problem::{DownloadProblem, Problem};
use super::selection::{DownloadFilter, DownloadSelection, SelectedDownloads};
use super::transfers::Download;
use crate::download::ChangeOutcome;
use crate::view::{DownloadId, DownloadState};

/// Maximum time for a download to save its partial data, and for the next one to start.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// What became of a change of downloads.
#[derive(Debug, Default)]
pub(crate) struct DownloadChanges {
    /// The downloads, after the change has become visible.
    pub(crate) changed: Vec<ChangedDownload>,
    /// What was wrong with names that stand for no running download.
    pub(crate) problems: Vec<Problem>,
}

/// A download to which a change was applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChangedDownload {
    /// Its state after the change.
    pub(crate) view: Download,
    /// Whether it was in the requested state before.
    pub(crate) was_so_already: bool,
}

impl DownloadChanges {
    /// Returns true if the change was for all downloads, but applies to none.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.changed.is_empty() && self.problems.is_empty()
    }
}

impl Operations {
    /// Pauses downloads. Waits at most 5 seconds until all of them have stopped; one that takes longer still stops later.
    pub(crate) async fn pause(&self, selection: &DownloadSelection) -> DownloadChanges {
        let SelectedDownloads { ids, problems } = self.select(selection, DownloadFilter::Running);
        let changes = ids.into_iter().map(|id| (id, self.node.downloads().pause(id))).collect();
        self.await_changes(problems, changes, |state| *state == DownloadState::Paused).await
    }

    /// Resumes paused and waiting downloads, and restarts failed ones.
    pub(crate) async fn resume(&self, selection: &DownloadSelection) -> DownloadChanges {
        let SelectedDownloads { ids, problems } = self.select(selection, DownloadFilter::Resumable);
        let mut changes = Vec::with_capacity(ids.len());
        for id in ids {
            changes.push((id, self.node.downloads().resume(id).await));
        }
        self.await_changes(problems, changes, |state| *state != DownloadState::Paused).await
    }

    /// Restarts failed downloads.
    pub(crate) async fn retry(&self, selection: &DownloadSelection) -> DownloadChanges {
        let SelectedDownloads { ids, problems } = self.select(selection, DownloadFilter::Failed);
        let mut changes = Vec::with_capacity(ids.len());
        for id in ids {
            changes.push((id, self.node.downloads().retry(id).await));
        }
        self.await_changes(problems, changes, |_| true).await
    }

    /// Waits until each change is visible. `problems` are those of the selection.
    pub(super) async fn await_changes(
        &self,
        mut problems: Vec<Problem>,
        changes: Vec<(DownloadId, ChangeOutcome)>,
        is_visible: impl Fn(&DownloadState) -> bool,
    ) -> DownloadChanges {
        let downloads = self.node.downloads();
        let mut watched = Vec::with_capacity(changes.len());
        for (id, change) in changes {
            match (change, downloads.watch(id)) {
                (ChangeOutcome::NotRunning, _) | (_, None) => {
                    problems.push(DownloadProblem::NotRunning { id }.into());
                }
                (change, Some(view)) => watched.push((view, change == ChangeOutcome::Unchanged)),
            }
        }
        let all_visible = async {
            for (view, _) in &mut watched {
                let _ = view.wait_for(|view| is_visible(&view.state) || view.state.is_over()).await;
            }
        };
        // A download that takes longer still changes later.
        let _ = tokio::time::timeout(CHANGE_TIMEOUT, all_visible).await;
        let visible = watched.into_iter().map(|(view, was_so_already)| {
            let view = downloads.with_rank(view.borrow().clone()).into();
            ChangedDownload { view, was_so_already }
        });
        DownloadChanges { changed: visible.collect(), problems }
    }
}
