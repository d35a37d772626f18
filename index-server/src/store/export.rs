//! All lists as lines of JSON: a head, then each node and behind it its files, in the order of their ids and paths, so
//! that equal stores have equal lines.

use std::io::{self, Write};

use protocol::index::{FileRecord, Share};
use serde::{Deserialize, Serialize};

use crate::catalog::StoredList;

/// The version of these lines.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) index_export: u32,
    pub(super) nodes: u64,
    pub(super) files: u64,
}

/// A node, whose files follow.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeLine {
    pub(super) node: String,
    /// In seconds since 1970.
    pub(super) last_seen: u64,
    pub(super) files: u32,
}

/// A file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLine {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) digest: String,
    /// Whether the node has all of it.
    pub(super) whole: bool,
}

/// Writes the lines.
pub(crate) fn export(mut lists: Vec<StoredList>, out: &mut impl Write) -> io::Result<()> {
    lists.sort_by_key(|list| list.header.id);
    let files = lists.iter().map(|list| u64::from(list.header.summary.files)).sum();
    line(out, &Head { index_export: VERSION, nodes: lists.len() as u64, files })?;
    for list in lists {
        let header = list.header;
        let (node, files) = (header.id.to_string(), header.summary.files);
        line(out, &NodeLine { node, last_seen: header.last_seen, files })?;
        let mut files: Vec<FileRecord> = list.blocks.into_iter().flat_map(|(_, files)| files).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        for file in files {
            let (digest, whole) = (file.digest.to_string(), file.share == Share::Whole);
            line(out, &FileLine { path: file.path, size: file.size, digest, whole })?;
        }
    }
    out.flush()
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
