//! A page of one node's list.

use protocol::index::{FileRecord, Refusal, Reply};
use protocol::limits::MAX_FRAME;

use super::basic_names::is_basic;
use crate::catalog::Catalog;
use crate::ids::NodeNo;

/// What a file takes in a page beside its path, in bytes, and what the page takes beside its files.
const FILE_LEN: usize = 52;
const PAGE_LEN: usize = 256;

/// The most files in a row that are left out of a page because of their names. It bounds how long the catalog is locked; behind so
/// many, the listing ends for a node of release 0.1.0.
const MAX_SKIPPED: usize = 16_384;

/// Which files of a node's list are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListingPage<'a> {
    /// The path before the first; from the beginning if there is none.
    pub(crate) after: Option<&'a str>,
    /// How many files there may be.
    pub(crate) limit: usize,
    /// Whether also those whose names release 0.1.0 does not accept.
    pub(crate) allow_any_names: bool,
}

/// Lists a page of a node's files, as many as fit a frame. More follow only behind a page that has files: release 0.1.0 takes
/// anything else for a violation of the protocol.
pub(crate) fn listing(catalog: &Catalog, node: NodeNo, page: ListingPage<'_>) -> Reply {
    let Some(list) = catalog.list(node) else { return Reply::Refused(Refusal::NoSuchPeer) };
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
    Reply::Listing { source: list.id(), files, more }
}
