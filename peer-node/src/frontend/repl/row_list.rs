//! The last numbered list: hits of a search, or files and folders of a peer.

use protocol::index::SearchCursor;
use protocol::node_id::NodeId;

use super::number_ranges::NumberRanges;
use crate::operations::{FolderEntry, ListedContent, SafeName, SearchHit};

/// The maximum number of rows of a list, all pages together.
const MAX_ROWS: usize = 200_000;

/// One numbered row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListRow {
    /// A file.
    File(ListedContent),
    /// A folder of a peer.
    Folder {
        /// The peer.
        peer: NodeId,
        /// The folder's path, without a trailing `/`.
        path: SafeName,
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
        rest: Vec<SearchHit>,
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
        after: SafeName,
    },
    /// More entries of one folder of a peer.
    Entries {
        /// The peer.
        peer: NodeId,
        /// The entries, in order.
        rest: Vec<FolderEntry>,
    },
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

impl ListRow {
    /// Returns the path; a folder's ends in `/`.
    pub(crate) fn path(&self) -> SafeName {
        match self {
            Self::File(listed) => listed.path.clone(),
            Self::Folder { path, .. } => path.as_folder(),
        }
    }

    /// Returns the row of an entry of a folder of a peer.
    pub(crate) fn from_entry(entry: &FolderEntry, peer: NodeId) -> Self {
        match entry {
            FolderEntry::Folder { path, .. } => Self::Folder { peer, path: path.clone() },
            FolderEntry::File(file) => Self::File(file.content.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn listed(path: &str) -> ListedContent {
        ListedContent { digest: Digest::EMPTY, size: None, path: path.into() }
    }

    fn file(path: &str) -> ListRow {
        ListRow::File(listed(path))
    }

    fn pick(shown: &RowList, word: &str) -> Result<Vec<String>, RowNumberError> {
        let numbers = NumberRanges::parse(word).unwrap().unwrap();
        Ok(shown.select(&numbers)?.into_iter().map(|row| row.path().to_string()).collect())
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
}
