//! Exports a store as lines of JSON: a header, then each node followed by its files, then the torrent offers, sorted by ids,
//! paths and infohashes, so that equal stores have equal exports.

use std::io::{self, Write};

use protocol::escape::json_safe;
use protocol::index::{FileRecord, Share};
use serde::{Deserialize, Serialize};

use super::StoredData;
use crate::offers::StoredOffer;

/// The version of the format, and that of exports without offers, which release 0.1.0 can read too.
pub(super) const VERSION: u32 = 2;
pub(super) const LISTS_VERSION: u32 = 1;

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportHead {
    pub(super) index_export: u32,
    pub(super) nodes: u64,
    pub(super) files: u64,
    /// Omitted if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) torrents: Option<u64>,
}

/// A node; its files follow.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeLine {
    pub(super) node: String,
    /// Seconds since 1970.
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
    /// Whether the node has the complete content.
    pub(super) whole: bool,
}

/// A torrent that a node offers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TorrentLine {
    /// The infohash.
    pub(super) torrent: String,
    /// The id of the node.
    pub(super) offered_by: String,
    pub(super) digest: String,
    pub(super) name: String,
    pub(super) piece_length: u32,
}

/// Writes the export.
pub(crate) fn export(stored: StoredData, out: &mut impl Write) -> io::Result<()> {
    let StoredData { mut lists, mut offers } = stored;
    lists.sort_by_key(|list| list.header.id);
    offers.sort_by_key(|offer| (offer.node, offer.hint.infohash));
    let files = lists.iter().map(|list| u64::from(list.header.summary.files)).sum();
    let torrents = Some(offers.len() as u64).filter(|count| *count > 0);
    let index_export = if torrents.is_some() { VERSION } else { LISTS_VERSION };
    write_line(out, &ExportHead { index_export, nodes: lists.len() as u64, files, torrents })?;
    for list in lists {
        let header = list.header;
        let (node, files) = (header.id.to_string(), header.summary.files);
        write_line(out, &NodeLine { node, last_seen: header.last_seen, files })?;
        let mut files: Vec<FileRecord> = list.blocks.into_iter().flat_map(|(_, files)| files).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        for file in files {
            let (digest, whole) = (file.digest.to_string(), file.share == Share::Complete);
            write_line(out, &FileLine { path: file.path, size: file.size, digest, whole })?;
        }
    }
    for StoredOffer { node, hint } in offers {
        let (torrent, offered_by) = (hint.infohash.to_string(), node.to_string());
        let (digest, name, piece_length) = (hint.digest.to_string(), hint.name, hint.piece_length);
        write_line(out, &TorrentLine { torrent, offered_by, digest, name, piece_length })?;
    }
    out.flush()
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    // Names are untrusted, and the output may go to a terminal.
    out.write_all(json_safe(&serde_json::to_string(value)?).as_bytes())?;
    out.write_all(b"\n")
}
