//! A page of one node's list.

use protocol::index::{FileRecord, Refusal, Reply};
use protocol::limits::MAX_FRAME;

use crate::catalog::{Catalog, NodeNo};

/// What a file takes in a page beside its path, in bytes, and what the page takes beside its files.
const FILE_LEN: usize = 52;
const PAGE_LEN: usize = 256;

/// Lists at most `limit` files of a node whose paths come after one, as many as fit a frame.
pub(crate) fn listing(catalog: &Catalog, node: NodeNo, after: Option<&str>, limit: usize) -> Reply {
    let Some(list) = catalog.list(node) else { return Reply::Refused(Refusal::NoSuchPeer) };
    let mut rest = catalog.files_after(node, after).peekable();
    let (mut files, mut len): (Vec<FileRecord>, _) = (Vec::new(), PAGE_LEN);
    while let Some(file) =
        rest.next_if(|file| files.len() < limit && len + file.path.len() + FILE_LEN <= MAX_FRAME)
    {
        len += file.path.len() + FILE_LEN;
        files.push(file);
    }
    Reply::Listing { source: list.id(), files, more: rest.peek().is_some() }
}
