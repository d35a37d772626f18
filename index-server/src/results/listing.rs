//! A page of one node's list.

use protocol::index::FileRecord;
use protocol::limits::MAX_FRAME;
use protocol::node_id::NodeId;

use super::basic_names::is_basic;
use crate::catalog::Catalog;
use crate::ids::NodeNo;

/// Bytes of a file in a page beside its path, and of a page beside its files.
const FILE_LEN: usize = 52;
const PAGE_LEN: usize = 256;

/// Maximum number of consecutive files skipped because of their names. It bounds how long the catalog is locked; behind that
/// many, the listing ends for a node of release 0.1.0.
const MAX_SKIPPED: usize = 16_384;

/// The requested part of a node's list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListingPage<'a> {
    /// The path before the first file; the list starts at the beginning if `None`.
    pub(crate) after: Option<&'a str>,
    /// Maximum number of files.
    pub(crate) limit: usize,
    /// Whether to include names that release 0.1.0 does not accept.
    pub(crate) allow_any_names: bool,
}

/// A page of a node's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) node: NodeId,
    pub(crate) files: Vec<FileRecord>,
    /// True if there are more pages.
    pub(crate) more: bool,
}

/// Returns a page of a node's files, as many as fit into a frame; `None` if the node has no list. `more` is only set on a page that has files: release 0.1.0
/// treats anything else as a protocol violation.
pub(crate) fn listing(catalog: &Catalog, node: NodeNo, page: ListingPage<'_>) -> Option<Listing> {
    let list = catalog.list(node)?;
    let mut rest = catalog.files_after(node, page.after).peekable();
    let (mut files, mut len, mut skipped): (Vec<FileRecord>, _, _) = (Vec::new(), PAGE_LEN, 0);
    while skipped < MAX_SKIPPED
        && let Some(file) = rest.peek()
    {
        let file_len = file.path.len() + FILE_LEN;
        if !page.allow_any_names && !is_basic(&file.path) {
            skipped += 1;
            rest.next();
        } else if files.len() < page.limit && len + file_len <= MAX_FRAME {
            len += file_len;
            skipped = 0;
            files.extend(rest.next());
        } else {
            break;
        }
    }
    let more = !files.is_empty() && rest.peek().is_some();
    Some(Listing { node: list.id(), files, more })
}
