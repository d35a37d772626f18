//! An incremental hash of a list of files.

use bincode::{Decode, Encode};

use super::FileRecord;
use crate::frame::encode_body;
use crate::sha256::sha256;

/// The XOR of the SHA-256 of every encoded record. It is independent of the order, and a change costs one record. It
/// shows whether a node and the index have the same list; it does not protect against a malicious node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct ListHash([u8; 32]);

impl ListHash {
    /// Adds a record that is missing, or removes one that is present.
    pub fn toggle(&mut self, record: &FileRecord) {
        let encoded = encode_body(record).unwrap_or_default();
        for (ours, theirs) in self.0.iter_mut().zip(sha256(&encoded).as_bytes()) {
            *ours ^= theirs;
        }
    }
}
