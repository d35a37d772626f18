use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Operations;
use super::as_text::as_path_text;
use super::safe_name::SafeName;
use super::transfers::Download;
use crate::view::DownloadId;

/// Downloads of one request that are counted together: a folder, or many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownloadGroup {
    /// The destination folder.
    location: PathBuf,
    /// How many files already exist at their destinations.
    already_here: usize,
    /// The number of files per download, if more than one.
    file_counts: HashMap<DownloadId, usize>,
}

/// The totals of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct GroupTotals {
    /// The destination folder.
    #[serde(serialize_with = "as_path_text")]
    pub(crate) location: PathBuf,
    /// The number of files of the group.
    pub(crate) files: usize,
    /// How many of them are here.
    pub(crate) files_here: usize,
    /// How many of them were here before.
    pub(crate) already_here: usize,
    /// How many downloads are not complete.
    pub(crate) incomplete_downloads: usize,
    /// The size of the complete files in bytes, without those that were here before.
    pub(crate) bytes: u64,
    /// Bytes received for them in this run of the node.
    pub(crate) bytes_fetched: u64,
    /// The number of different sources that sent something for them.
    pub(crate) sources: usize,
}

impl Operations {
    /// Returns the group of the files of a remote folder; `None` for files of several origins.
    pub(crate) fn download_group(&self, folder: Option<&SafeName>) -> DownloadGroup {
        let root = self.node.share_dir();
        DownloadGroup::new(folder.map_or_else(|| root.to_owned(), |folder| root.join(folder.original())))
    }
}

impl DownloadGroup {
    /// Returns an empty group.
    pub(crate) fn new(location: PathBuf) -> Self {
        Self { location, already_here: 0, file_counts: HashMap::new() }
    }

    /// Adds files that already exist at their destinations.
    pub(crate) const fn add_existing(&mut self, files: usize) {
        self.already_here += files;
    }

    /// Records that a download becomes several files.
    pub(crate) fn set_file_count(&mut self, id: DownloadId, files: usize) {
        self.file_counts.insert(id, files);
    }

    /// Returns the destination folder.
    pub(crate) fn location(&self) -> &Path {
        &self.location
    }

    /// Returns the totals, given the current states of the downloads.
    pub(crate) fn totals(&self, views: &[Download]) -> GroupTotals {
        let done = || views.iter().filter(|view| view.state.is_complete());
        let files = |view: &Download| self.file_counts.get(&view.id).copied().unwrap_or(1);
        let size = |view: &Download| view.size.unwrap_or(0).saturating_mul(files(view) as u64);
        let sources = done().flat_map(|view| &view.sources).filter(|source| source.bytes > 0);
        let mut sources: Vec<_> = sources.map(|source| source.address).collect();
        sources.sort_unstable();
        sources.dedup();
        GroupTotals {
            location: self.location.clone(),
            files: self.already_here + views.iter().map(files).sum::<usize>(),
            files_here: self.already_here + done().map(files).sum::<usize>(),
            already_here: self.already_here,
            incomplete_downloads: views.len() - done().count(),
            bytes: done().map(size).fold(0, u64::saturating_add),
            bytes_fetched: done().map(|view| view.bytes_fetched).fold(0, u64::saturating_add),
            sources: sources.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::transfers::test_download;
    use crate::view::DownloadState;

    #[test]
    fn copies_and_existing_files_are_counted() {
        let state = DownloadState::Done { location: "/x".into(), renamed: None };
        let done = Download { size: Some(1024), bytes_fetched: 1000, state, ..test_download() };
        let failed = Download { id: DownloadId(99), state: DownloadState::Cancelled, ..test_download() };
        let mut group = DownloadGroup::new("/srv/music".into());
        group.add_existing(3);
        group.set_file_count(done.id, 2);
        let totals = group.totals(&[done, failed]);
        assert_eq!((totals.files, totals.files_here, totals.already_here), (6, 5, 3));
        assert_eq!((totals.bytes, totals.bytes_fetched, totals.incomplete_downloads), (2048, 1000, 1));
        assert_eq!(serde_json::to_value(totals).unwrap()["location"], "/srv/music");
    }
}
