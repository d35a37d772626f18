use super::Operations;
use super::pausing::DownloadChanges;
use super::selection::{DownloadFilter, DownloadKey, DownloadSelection, SelectedDownloads};
use crate::view::Priority;

impl Operations {
    /// Changes the priority of downloads. Active ones keep their slots.
    pub(crate) async fn set_priority(&self, which: Vec<DownloadKey>, priority: Priority) -> DownloadChanges {
        let selection = DownloadSelection::These(which);
        let SelectedDownloads { ids, problems } = self.select(&selection, DownloadFilter::Running);
        let changes = ids.into_iter().map(|id| (id, self.node.downloads().prioritise(id, priority)));
        self.await_changes(problems, changes.collect(), |_| true).await
    }
}
