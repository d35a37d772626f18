//! Imports lists and offers from lines of JSON, as written by [`export`](mod@super::export): every line is validated, and
//! nothing is imported unless all are valid.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use protocol::digest::Digest;
use protocol::escape::display_safe;
use protocol::index::{FileRecord, Share, TorrentHint};
use protocol::infohash::Infohash;
use protocol::limits::MAX_BATCH;
use protocol::node_id::NodeId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::export::{ExportHead, FileLine, LISTS_VERSION, NodeLine, TorrentLine, VERSION};
use crate::catalog::{Catalog, ListChangeError, ListWrites};
use crate::ids::NodeNo;
use crate::offers::{OfferWrite, TorrentOffers};

/// Maximum length of a line in bytes: a path with every byte escaped, and the rest.
const MAX_LINE: u64 = 64 << 10;

/// Maximum number of invalid lines reported individually.
const MAX_REPORTED_LINES: usize = 20;

/// The result of reading an export.
#[derive(Debug, Default)]
pub(crate) struct Import {
    /// The lists to write.
    pub(crate) lists: Vec<ListWrites>,
    /// The offers to write.
    pub(crate) offers: Vec<OfferWrite>,
    /// The number of files in the lists.
    pub(crate) files: u64,
    /// The first invalid lines: their numbers, from 1, and what is wrong.
    pub(crate) first_bad: Vec<(u64, String)>,
    /// The total number of invalid lines.
    pub(crate) bad_lines: u64,
}

/// Reads and validates all lines.
pub(crate) fn read_lines(mut input: impl BufRead) -> io::Result<Import> {
    let mut importer = Importer::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        importer.line += 1;
        let result = match bytes.strip_suffix(b"\n") {
            Some(line) => importer.import_line(line),
            None if bytes.len() as u64 == MAX_LINE => {
                input.skip_until(b'\n')?;
                Err(format!("the line is longer than {MAX_LINE} bytes"))
            }
            None => Err("the line is truncated".to_owned()),
        };
        result.unwrap_or_else(|reason| importer.report_line(&reason));
    }
    Ok(importer.finish())
}

/// The state of an import.
#[derive(Default)]
struct Importer {
    line: u64,
    head: Option<ExportHead>,
    catalog: Catalog,
    offers: TorrentOffers,
    node: Option<ImportedNode>,
    nodes: HashSet<NodeId>,
    import: Import,
}

/// The node whose files are being read.
struct ImportedNode {
    number: NodeNo,
    last_seen: u64,
    announced: u32,
    paths: HashSet<String>,
    batch: Vec<FileRecord>,
    line: u64,
}

impl Importer {
    fn import_line(&mut self, line: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if self.line == 1 {
            let head: ExportHead = read(value)?;
            let found = head.index_export;
            if !(LISTS_VERSION..=VERSION).contains(&found) {
                return Err(format!(
                    "unsupported export version {found}; this program reads up to version {VERSION}"
                ));
            }
            self.head = Some(head);
            return Ok(());
        }
        if value.get("node").is_some() {
            self.import_node(&read(value)?)
        } else if value.get("torrent").is_some() {
            self.import_torrent(read(value)?)
        } else {
            self.import_file(read(value)?)
        }
    }

    fn import_torrent(&mut self, line: TorrentLine) -> Result<(), String> {
        self.end_node();
        let TorrentLine { torrent, offered_by, digest, name, piece_length } = line;
        let infohash: Infohash = torrent.parse().map_err(|error| format!("{error}"))?;
        let node: NodeId = offered_by.parse().map_err(|error| format!("{error}"))?;
        let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        let hint = TorrentHint { infohash, digest, name, piece_length };
        hint.check().map_err(|error| error.to_string())?;
        if self.offers.contains_key(&(node, infohash)) {
            return Err(format!("node {node} offers this torrent twice"));
        }
        let made = self.offers.add(node, None, hint).map_err(|refusal| refusal.to_string())?;
        self.import.offers.extend(made);
        Ok(())
    }

    fn import_node(&mut self, line: &NodeLine) -> Result<(), String> {
        self.end_node();
        let id: NodeId = line.node.parse().map_err(|error| format!("{error}"))?;
        if !self.nodes.insert(id) {
            return Err(format!("node {id} occurs twice"));
        }
        let number = self.catalog.admit(id).ok_or("too many nodes")?;
        self.catalog.mark_established(number);
        self.node = Some(ImportedNode {
            number,
            last_seen: line.last_seen,
            announced: line.files,
            paths: HashSet::new(),
            batch: Vec::new(),
            line: self.line,
        });
        Ok(())
    }

    fn import_file(&mut self, line: FileLine) -> Result<(), String> {
        let FileLine { path, size, digest, whole } = line;
        let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        let share = if whole { Share::Complete } else { Share::Partial };
        let file = FileRecord { path, size, digest, share };
        file.check().map_err(|error| error.to_string())?;
        let node = self.node.as_mut().ok_or("the file belongs to no node")?;
        if !node.paths.insert(file.path.clone()) {
            return Err("the path occurs twice".into());
        }
        node.batch.push(file);
        self.import.files += 1;
        if node.batch.len() >= MAX_BATCH { flush(&mut self.catalog, node) } else { Ok(()) }
    }

    /// Finishes the node that is being read.
    fn end_node(&mut self) {
        let Some(mut node) = self.node.take() else { return };
        let flushed = flush(&mut self.catalog, &mut node);
        let complete = node.paths.len() as u64 == u64::from(node.announced);
        let mismatch =
            format!("the node of line {} has {} files, not {}", node.line, node.paths.len(), node.announced);
        let result = flushed.and(complete.then_some(()).ok_or(mismatch));
        result.unwrap_or_else(|reason| self.report_line(&reason));
        self.import.lists.extend(self.catalog.take_writes(node.number, node.last_seen));
    }

    fn report_line(&mut self, reason: &str) {
        self.import.bad_lines += 1;
        if self.import.first_bad.len() < MAX_REPORTED_LINES {
            self.import.first_bad.push((self.line, display_safe(reason).into_owned()));
        }
    }

    fn finish(mut self) -> Import {
        self.end_node();
        let (nodes, files, torrents) =
            (self.nodes.len() as u64, self.import.files, self.import.offers.len() as u64);
        match self.head.take() {
            None if self.line == 0 => self.report_line("the input has no lines"),
            Some(head) if (head.nodes, head.files) != (nodes, files) => self.report_line(&format!(
                "the input has {nodes} nodes and {files} files, not {} and {}",
                head.nodes, head.files
            )),
            Some(ExportHead { torrents: announced, .. }) if announced.unwrap_or_default() != torrents => {
                let announced = announced.unwrap_or_default();
                self.report_line(&format!("the input has {torrents} torrents, not {announced}"));
            }
            _ => {}
        }
        self.import
    }
}

fn flush(catalog: &mut Catalog, node: &mut ImportedNode) -> Result<(), String> {
    let files = std::mem::take(&mut node.batch);
    catalog.register(node.number, &files).map_err(|error| match error {
        ListChangeError::TooManyFiles => "the node has too many files".into(),
        ListChangeError::NotStarted | ListChangeError::UnknownNode => "the node cannot be added".into(),
    })
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
