//! The shared folders with their counts, patterns, and what they leave out.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::library::{MAX_LEFT_OUT, ShareCount, ShareOverview, SharedPlace};
use crate::operations::Operations;
use crate::operations::display_text::DisplayText;
use crate::operations::left_out::{LeftOutPath, LeftOutSummary};

/// The shared folders, and what they leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SharedFolders {
    /// The node's own folder, followed by the registered files and folders.
    pub(crate) folders: Vec<SharedFolder>,
    /// Patterns that exclude files in all folders while the node runs.
    pub(crate) excluded_everywhere: Vec<DisplayText>,
    /// What all folders together leave out; `None` if nothing.
    pub(crate) summary: Option<LeftOutSummary>,
    /// What is left out at and below the requested path, sorted by path.
    pub(crate) left_out: Vec<LeftOutPath>,
    /// The maximum number of recorded left-out files, if more are left out.
    pub(crate) truncated_at: Option<usize>,
}

/// A file, or a folder with everything below it, that is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SharedFolder {
    /// Absolute path on this machine.
    pub(crate) path: DisplayText,
    /// Name on the network; `None` for the node's own folder.
    pub(crate) name: Option<DisplayText>,
    /// Number of shared files.
    pub(crate) files: u64,
    /// Their total size in bytes.
    pub(crate) bytes: u64,
    /// Number of files and folders that are left out.
    pub(crate) left_out: u64,
    /// Patterns that exclude files in it.
    pub(crate) excluded: Vec<FolderPattern>,
}

/// A pattern and the folder in which it excludes files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FolderPattern {
    /// Absolute path of the folder.
    pub(crate) folder: DisplayText,
    /// The pattern, in `.gitignore` syntax.
    pub(crate) pattern: DisplayText,
}

impl SharedFolder {
    fn new(place: &SharedPlace, count: ShareCount) -> Self {
        let ShareCount { files, bytes, left_out } = count;
        let excluded = place.patterns.iter().map(|of| FolderPattern {
            folder: DisplayText::from_path(&of.folder),
            pattern: DisplayText::new(&of.pattern),
        });
        Self {
            path: DisplayText::from_path(&place.location),
            name: place.name.as_ref().map(|name| DisplayText::new(name.as_str())),
            files,
            bytes,
            left_out,
            excluded: excluded.collect(),
        }
    }
}

impl Operations {
    /// Returns the shared folders, and what they leave out at and below `within`; everywhere if it is `None`.
    pub(crate) fn shared_folders(&self, within: Option<&Path>) -> SharedFolders {
        let (overview, files) = (self.node.library().overview(), self.node.library().files());
        let counts = overview.counts(&files);
        let folders =
            overview.places.iter().zip(counts).map(|(place, count)| SharedFolder::new(place, count));
        let within = within.unwrap_or_else(|| Path::new("/"));
        SharedFolders {
            folders: folders.collect(),
            excluded_everywhere: overview.global_patterns.iter().map(|of| DisplayText::new(of)).collect(),
            summary: LeftOutSummary::new(&overview),
            left_out: overview.left_out_beneath(within).map(LeftOutPath::from).collect(),
            truncated_at: overview.is_truncated.then_some(MAX_LEFT_OUT),
        }
    }

    /// Returns the absolute path of a shared place, by its name on the network, or by a path at or below it. A relative path is
    /// tried in `working_dir` and in the node's folder. Returns `None` if nothing shared has the name. Blocks for a few system
    /// calls.
    pub(crate) fn find_shared_place(&self, name: &str, path: &Path, working_dir: &Path) -> Option<PathBuf> {
        let overview = self.node.library().overview();
        let candidates = [working_dir.join(path), self.node.share_dir().join(path)];
        find_place(&overview, name, &candidates)
    }
}

/// Finds a shared place by its name, or the first candidate at or below one.
fn find_place(overview: &ShareOverview, name: &str, candidates: &[PathBuf; 2]) -> Option<PathBuf> {
    let name = name.trim_end_matches('/');
    let is_named = |place: &&SharedPlace| place.name.as_ref().is_some_and(|of| of.as_str() == name);
    if let Some(place) = overview.places.iter().find(is_named) {
        return Some(place.location.clone());
    }
    let mut canonical = candidates.iter().filter_map(|path| path.canonicalize().ok());
    canonical.find(|path| overview.places.iter().any(|place| path.starts_with(&place.location)))
}

#[cfg(test)]
mod tests {
    use protocol::share_path::SharePath;

    use super::*;

    #[test]
    fn place_is_found_by_name_before_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("music")).unwrap();
        let place = |location: &str, name: Option<&str>| SharedPlace {
            location: root.join(location),
            name: name.map(|name| SharePath::parse(name).unwrap()),
            patterns: Vec::new(),
        };
        let overview = ShareOverview {
            places: vec![place("", None), place("data", Some("music"))],
            ..ShareOverview::default()
        };
        let find = |name: &str| find_place(&overview, name, &[root.join("no").join(name), root.join(name)]);
        assert_eq!(find("music/").unwrap(), root.join("data"));
        assert_eq!(find("./music").unwrap(), root.join("music"));
        assert_eq!(find("unknown"), None);
        assert_eq!(find_place(&overview, "/", &["/".into(), "/".into()]), None);
    }
}
