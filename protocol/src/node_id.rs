//! Node ids.

use std::fmt;

use bincode::{Decode, Encode};

use crate::hex::hex_text;

/// The id of a node on the network: its public ed25519 key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct NodeId([u8; 32]);

/// The text is not a node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 64 hexadecimal digits")]
pub struct ParseNodeIdError;

impl NodeId {
    /// Returns the first 8 hexadecimal digits, for logs and lists.
    pub fn short(&self) -> String {
        format!("{self:.8}")
    }
}

hex_text!(NodeId, 32, ParseNodeIdError);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self:.8})")
    }
}
