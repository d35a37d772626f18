//! The rows of the database and their encoding.
//!
//! A key has nine bytes: a kind, a node's number and a block's number, big-endian. Values are bincode with big-endian
//! fixed-width integers.
//!
//! | kind | node | block | value |
//! |---|---|---|---|
//! | 0 | 0 | 0 | the format of the whole database, a `u32` |
//! | 1 | 0 | 0 | the number of the last change, a `u64` |
//! | 2 | node | 0 | [`NodeRow`] |
//! | 3 | node | block | a `Vec` of [`FileRow`], at most about 6 KiB |
//!
//! Files in a block are unordered. A node with an empty list has no rows.

use bincode::config::{BigEndian, Configuration, Fixint, Limit};
use bincode::{Decode, Encode};
use protocol::digest::Digest;
use protocol::frame;
use protocol::index::list_hash::ListHash;
use protocol::index::{FileRecord, ListSummary, Share};
use protocol::limits::MAX_PATH;
use protocol::node_id::NodeId;

use crate::catalog::{Attendance, BLOCK_LEN, BlockNo, ListHeader};
use crate::ids::NodeNo;

/// The only format that is written and read.
pub(super) const FORMAT: u32 = 1;

/// Maximum length of a value in bytes.
const MAX_VALUE: usize = 64 << 10;
const _: () =
    assert!(MAX_VALUE >= 4 * BLOCK_LEN && MAX_VALUE >= 2 * MAX_PATH, "a block of any files fits a value");

const CONFIG: Configuration<BigEndian, Fixint, Limit<MAX_VALUE>> =
    bincode::config::standard().with_big_endian().with_fixed_int_encoding().with_limit::<MAX_VALUE>();

/// The key of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKey {
    Format,
    Commits,
    Node(NodeNo),
    Block(NodeNo, BlockNo),
}

impl RowKey {
    pub(super) fn to_bytes(self) -> [u8; 9] {
        let (kind, node, block) = match self {
            Self::Format => (0, 0, 0),
            Self::Commits => (1, 0, 0),
            Self::Node(node) => (2, node.0, 0),
            Self::Block(node, block) => (3, node.0, block.0),
        };
        let mut bytes = [kind; 9];
        let rest = node.to_be_bytes().into_iter().chain(block.to_be_bytes());
        for (slot, byte) in bytes.iter_mut().skip(1).zip(rest) {
            *slot = byte;
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (node, block) = (NodeNo(u32::from_be_bytes(*node)), u32::from_be_bytes(*rest.first_chunk()?));
        let key = match kind {
            0 => Self::Format,
            1 => Self::Commits,
            2 => Self::Node(node),
            3 => Self::Block(node, BlockNo(block)),
            _ => return None,
        };
        (key.to_bytes() == bytes).then_some(key)
    }
}

/// A node and the summary of its list.
#[derive(Debug, Encode, Decode)]
pub(super) struct NodeRow {
    id: [u8; 32],
    files: u32,
    /// The [`ListHash`] of its files.
    list_hash: [u8; 32],
    /// Seconds since 1970.
    last_seen: u64,
}

/// One file.
#[derive(Debug, Encode, Decode)]
pub(super) struct FileRow {
    path: String,
    size: u64,
    digest: [u8; 32],
    /// Whether the node has the complete content.
    complete: bool,
}

impl From<&ListHeader> for NodeRow {
    fn from(header: &ListHeader) -> Self {
        let mut hash = [0; 32];
        let encoded = frame::encode_body(&header.summary.hash).unwrap_or_default();
        if encoded.len() != hash.len() {
            impossible!("the hash of a list has another length", len = encoded.len());
        }
        for (ours, theirs) in hash.iter_mut().zip(encoded) {
            *ours = theirs;
        }
        let (id, files) = (*header.id.as_bytes(), header.summary.files);
        Self { id, files, list_hash: hash, last_seen: header.last_seen }
    }
}

impl NodeRow {
    /// Returns the list header, with the attendance, which is stored elsewhere.
    pub(super) fn header(&self, attendance: impl FnOnce(NodeId) -> Attendance) -> ListHeader {
        let hash: ListHash = frame::decode_body(&self.list_hash).unwrap_or_default();
        let (id, summary) = (NodeId::from_bytes(self.id), ListSummary { files: self.files, hash });
        ListHeader { id, summary, last_seen: self.last_seen, attendance: attendance(id) }
    }
}

impl From<&FileRecord> for FileRow {
    fn from(file: &FileRecord) -> Self {
        let (path, digest) = (file.path.clone(), *file.digest.as_bytes());
        Self { path, size: file.size, digest, complete: file.share == Share::Complete }
    }
}

impl From<FileRow> for FileRecord {
    fn from(row: FileRow) -> Self {
        let share = if row.complete { Share::Complete } else { Share::Partial };
        Self { path: row.path, size: row.size, digest: Digest::from_bytes(row.digest), share }
    }
}

/// Encodes a value; `None` if it is too long.
pub(super) fn encode(value: &impl Encode) -> Option<Vec<u8>> {
    bincode::encode_to_vec(value, CONFIG).ok().filter(|bytes| bytes.len() <= MAX_VALUE)
}

/// Encodes a block.
pub(super) fn encode_block(files: &[FileRecord]) -> Option<Vec<u8>> {
    encode(&files.iter().map(FileRow::from).collect::<Vec<_>>())
}

/// Decodes a value; `None` if bytes are left over.
pub(super) fn decode<T: Decode<()>>(bytes: &[u8]) -> Option<T> {
    let (value, used) = bincode::decode_from_slice(bytes, CONFIG).ok()?;
    (used == bytes.len()).then_some(value)
}

/// Decodes a block.
pub(super) fn decode_block(bytes: &[u8]) -> Option<Vec<FileRecord>> {
    Some(decode::<Vec<FileRow>>(bytes)?.into_iter().map(FileRecord::from).collect())
}
