use std::net::SocketAddr;

use protocol::digest::Digest;
use protocol::index::{ContentSource, Share};
use protocol::limits::MAX_SOURCES;
use protocol::node_id::NodeId;
use serde::{Serialize, Serializer};

use super::Operations;
use super::as_text::as_text;
use super::problem::Problem;

/// A node, with its listening address if known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KnownNode {
    /// The id.
    pub(crate) node: NodeId,
    /// The last known address.
    pub(crate) address: Option<SocketAddr>,
}

/// A node that has a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct SourceRow {
    /// The node.
    #[serde(serialize_with = "as_text")]
    pub(crate) node: NodeId,
    /// Its listening address.
    pub(crate) address: SocketAddr,
    /// How much of the content it has.
    #[serde(serialize_with = "share_name")]
    pub(crate) share: Share,
}

impl From<ContentSource> for SourceRow {
    fn from(source: ContentSource) -> Self {
        Self { node: source.node, address: source.address, share: source.share }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is given by serde")]
fn share_name<S: Serializer>(share: &Share, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match share {
        Share::Complete => "complete",
        Share::Partial => "partial",
    })
}

impl Operations {
    /// Returns the sources of contents, each once.
    pub(crate) async fn sources(&self, contents: &[Digest]) -> Result<Vec<SourceRow>, Problem> {
        let mut all = Vec::new();
        for digest in contents {
            for source in self.node.finder().locate(*digest, MAX_SOURCES).await? {
                let row = SourceRow::from(source);
                if !all.contains(&row) {
                    all.push(row);
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_serialize_as_text_and_numbers() {
        let node = NodeId::from_bytes([0xab; 32]);
        let row = SourceRow { node, address: ([10, 0, 0, 1], 7).into(), share: Share::Partial };
        let expected =
            serde_json::json!({ "node": node.to_string(), "address": "10.0.0.1:7", "share": "partial" });
        assert_eq!(serde_json::to_value(row).unwrap(), expected);
    }
}
