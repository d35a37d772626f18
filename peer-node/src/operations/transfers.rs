use super::Operations;
use crate::view::{DownloadView, UploadView};

/// The downloads and uploads of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transfers {
    /// All downloads, running and finished, in the order in which they started.
    pub(crate) downloads: Vec<DownloadView>,
    /// The current uploads.
    pub(crate) uploads: Vec<UploadView>,
}

impl Operations {
    /// Returns the downloads and uploads.
    pub(crate) fn transfers(&self) -> Transfers {
        Transfers { downloads: self.downloads(), uploads: self.node.uploads() }
    }
}
