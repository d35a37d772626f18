//! The last numbered list: hits of a search, or files and folders of a peer.

use protocol::digest::Digest;
use protocol::index::{FileRecord, Hit, SearchCursor};
use protocol::node_id::NodeId;

use super::number_ranges::NumberRanges;

/// The maximum number of rows of a list, all pages together.
const MAX_ROWS: usize = 200_000;

/// A content with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedContent {
    pub(crate) digest: Digest,
    /// The size in bytes, if known.
    pub(crate) size: Option<u64>,
    /// The path under which a peer shares it, as received from the network.
    pub(crate) path: String,
}

/// One numbered row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListRow {
    /// A file.
    File(ListedContent),
    /// A folder of a peer.
    Folder {
        /// The peer.
        peer: NodeId,
        /// The folder's path as received from the network, without a trailing `/`.
        path: String,
    },
}

/// The continuation of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextPage {
    /// More hits of a search.
    Hits {
        /// The query.
        query: String,
        /// Hits that were already received, in order.
        rest: Vec<Hit>,
        /// The cursor for further hits, if there are more.
        after: Option<SearchCursor>,
    },
    /// More files of a peer.
    Files {
        /// The peer.
        peer: NodeId,
        /// The folder above the files, if not the root.
        folder: Option<String>,
        /// The last path that was shown.
        after: String,
    },
    /// More entries of one folder of a peer.
    Entries {
        /// The peer.
        peer: NodeId,
        /// The entries, in order.
        rest: Vec<FolderEntry>,
    },
}

/// A direct entry of a folder of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FolderEntry {
    /// A folder.
    Folder {
        /// The path.
        path: String,
        /// The number of files below it.
        files: u64,
        /// The total size of these files.
        bytes: u64,
    },
    /// A file.
    File(FileRecord),
}

/// A number that is not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowNumberError {
    /// There is no list.
    #[error("there are no numbered hits yet; search or browse first")]
    NoList,
    /// The list is shorter.
    #[error("there is no hit {number}; the last list ends at {last}")]
    OutOfRange {
        /// The requested number.
        number: u32,
        /// The last number of the list.
        last: u32,
    },
}

/// The rows of the last list that were shown, and its continuation.
#[derive(Debug, Default)]
pub(crate) struct RowList {
    rows: Vec<ListRow>,
    next: Option<NextPage>,
}

impl RowList {
    /// Clears the list.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Appends a page, and returns the number of its first row.
    pub(crate) fn append_page(&mut self, page: Vec<ListRow>, next: Option<NextPage>) -> usize {
        let first = self.rows.len() + 1;
        let capacity = MAX_ROWS.saturating_sub(self.rows.len());
        self.next = next.filter(|_| page.len() <= capacity);
        self.rows.extend(page.into_iter().take(capacity));
        first
    }

    /// Returns the continuation of the list, if there is one.
    pub(crate) const fn next_page(&self) -> Option<&NextPage> {
        self.next.as_ref()
    }

    /// Returns all rows, in the order of their numbers from 1.
    pub(crate) fn rows(&self) -> &[ListRow] {
        &self.rows
    }

    /// Returns the files among the rows.
    pub(crate) fn files(&self) -> impl Iterator<Item = &ListedContent> {
        self.rows.iter().filter_map(|row| match row {
            ListRow::File(listed) => Some(listed),
            ListRow::Folder { .. } => None,
        })
    }

    /// Returns the rows with these numbers.
    pub(crate) fn select(&self, numbers: &NumberRanges) -> Result<Vec<&ListRow>, RowNumberError> {
        if self.rows.is_empty() {
            return Err(RowNumberError::NoList);
        }
        let last = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let selected = numbers.up_to(last).map_err(|number| RowNumberError::OutOfRange { number, last })?;
        Ok(selected.filter_map(|number| self.rows.get((number as usize).checked_sub(1)?)).collect())
    }
}

impl From<&Hit> for ListedContent {
    fn from(hit: &Hit) -> Self {
        let path = hit.names.first().cloned().unwrap_or_else(|| hit.digest.to_string());
        Self { digest: hit.digest, size: Some(hit.size), path }
    }
}

impl From<&FileRecord> for ListedContent {
    fn from(record: &FileRecord) -> Self {
        Self { digest: record.digest, size: Some(record.size), path: record.path.clone() }
    }
}

impl ListedContent {
    /// Returns the last component of the path.
    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&self.path)
    }
}

impl ListRow {
    /// Returns the path; a folder's ends in `/`.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::File(listed) => listed.path.clone(),
            Self::Folder { path, .. } => format!("{path}/"),
        }
    }
}

impl FolderEntry {
    /// Returns the numbered row of an entry of a peer.
    pub(crate) fn row(&self, peer: NodeId) -> ListRow {
        match self {
            Self::Folder { path, .. } => ListRow::Folder { peer, path: path.clone() },
            Self::File(file) => ListRow::File(ListedContent::from(file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str) -> ListedContent {
        ListedContent { digest: Digest::EMPTY, size: None, path: path.into() }
    }

    fn file(path: &str) -> ListRow {
        ListRow::File(listed(path))
    }

    fn pick(shown: &RowList, word: &str) -> Result<Vec<String>, RowNumberError> {
        let numbers = NumberRanges::parse(word).unwrap().unwrap();
        Ok(shown.select(&numbers)?.into_iter().map(ListRow::path).collect())
    }

    #[test]
    fn numbering_continues_over_pages() {
        let mut shown = RowList::default();
        assert_eq!(pick(&shown, "1"), Err(RowNumberError::NoList));
        let peer = NodeId::from_bytes([1; 32]);
        let next = NextPage::Files { peer, folder: None, after: "b".into() };
        assert_eq!(shown.append_page(vec![file("a"), file("b")], Some(next)), 1);
        assert_eq!(shown.append_page(vec![ListRow::Folder { peer, path: "c".into() }], None), 3);
        assert_eq!(pick(&shown, "3,1-2").unwrap(), ["c/", "a", "b"]);
        assert_eq!(pick(&shown, "2-4"), Err(RowNumberError::OutOfRange { number: 4, last: 3 }));
        assert!(shown.next_page().is_none());
        shown.clear();
        assert_eq!(pick(&shown, "1"), Err(RowNumberError::NoList));
    }

    #[test]
    fn the_file_name_is_the_last_component() {
        for (path, name) in [("a/b.iso", "b.iso"), ("b.iso", "b.iso"), ("a/", "a"), ("", ""), ("/", "/")] {
            assert_eq!(listed(path).file_name(), name);
        }
    }
}
