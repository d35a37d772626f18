//! A hash of a list of files that can be kept up to date file by file.

use bincode::{Decode, Encode};

use super::FileRecord;
use crate::frame::encode_body;
use crate::sha256::sha256;

/// The exclusive or of the SHA-256 of every record's encoding, so that order does not matter and a change costs one
/// record. It tells a node and the index whether they hold the same list; it defends nobody against the node itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct ListHash([u8; 32]);

impl ListHash {
    /// Puts a record in that is not in, or takes one out that is.
    pub fn toggle(&mut self, record: &FileRecord) {
        let encoded = encode_body(record).unwrap_or_default();
        for (ours, theirs) in self.0.iter_mut().zip(sha256(&encoded).as_bytes()) {
            *ours ^= theirs;
        }
    }
}
