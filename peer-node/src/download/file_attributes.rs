//! File attributes that are preserved from the source besides the content.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::peer::FileDetails;

/// Maximum number of attribute entries kept per content: several paths from each of the first sources.
const MAX_ENTRIES: usize = 64;

/// The preserved attributes of one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FileAttributes {
    /// Modification time.
    pub modified: Option<SystemTime>,
    /// Whether the file is executable.
    pub executable: bool,
}

/// The attributes that sources sent for the files with a content.
#[derive(Debug, Default)]
pub(super) struct SourceAttributes {
    /// Attributes by share path, in the order received.
    entries: Vec<(String, FileAttributes)>,
}

impl SourceAttributes {
    /// Adds the attributes sent by a source.
    pub(super) fn add(&mut self, files: Vec<FileDetails>) {
        let free = MAX_ENTRIES.saturating_sub(self.entries.len());
        let entries = files.into_iter().map(|file| (file.path.clone(), FileAttributes::from(&file)));
        self.entries.extend(entries.take(free));
    }

    /// Returns the attributes for a share path, if any source sent them.
    pub(super) fn for_path(&self, path: &str) -> Option<FileAttributes> {
        self.entries.iter().find(|(name, _)| name == path).map(|(_, details)| *details)
    }

    /// Returns the attributes for a share path, or the first ones received if there are none for it.
    pub(super) fn for_path_or_first(&self, path: Option<&str>) -> FileAttributes {
        let first = || self.entries.first().map(|(_, details)| *details);
        path.and_then(|path| self.for_path(path)).or_else(first).unwrap_or_default()
    }
}

impl From<&FileDetails> for FileAttributes {
    fn from(file: &FileDetails) -> Self {
        let FileDetails { seconds, nanoseconds, executable, .. } = *file;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let start = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        let modified = start.and_then(|start| start.checked_add(Duration::from_nanos(nanoseconds.into())));
        Self { modified, executable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, seconds: i64) -> FileDetails {
        FileDetails { path: path.to_owned(), seconds, nanoseconds: 5, executable: false }
    }

    fn attributes(seconds: i64) -> FileAttributes {
        FileAttributes::from(&file("", seconds))
    }

    #[test]
    fn attributes_of_the_chosen_path_are_preferred() {
        let mut sent = SourceAttributes::default();
        assert_eq!(sent.for_path_or_first(Some("a")), FileAttributes::default());
        sent.add(vec![file("b", 1), file("a", 2)]);
        sent.add(vec![file("a", 3)]);
        assert_eq!((sent.for_path_or_first(Some("a")), sent.for_path("c")), (attributes(2), None));
        assert_eq!(
            (sent.for_path_or_first(Some("c")), sent.for_path_or_first(None)),
            (attributes(1), attributes(1))
        );
        (0..1000).for_each(|at| sent.add(vec![file("z", at)]));
        assert_eq!(sent.entries.len(), MAX_ENTRIES);
    }

    #[test]
    fn times_before_1970_are_kept() {
        let modified = attributes(-1).modified.unwrap();
        assert_eq!(modified, UNIX_EPOCH - Duration::from_secs(1) + Duration::from_nanos(5));
    }
}
