//! Lists what a peer shares: from the index, or from the peer itself if it is on the local network.

use protocol::index::{FileRecord, NodeAddress, PeerRef, Refusal};
use protocol::limits::MAX_NODES_FOUND;
use protocol::node_id::NodeId;

use super::Finder;
use crate::discovery::index_client::IndexError;
use crate::discovery::neighbours::NeighbourBrowseError;

/// A page of a peer's files: its id, the files in the order of their paths, and whether more follow.
pub(crate) type BrowsedPage = (NodeId, Vec<FileRecord>, bool);

/// Why the files of a peer cannot be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrowseError {
    /// The index does not answer or refuses, and the peer is not on the local network.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index does not know the files of the peer, and the peer does not list them.
    #[error(transparent)]
    Neighbour(#[from] NeighbourBrowseError),
}

impl Finder {
    /// Returns a page of a peer's files behind the path `after`: at most `limit`, in the order of their paths. The index
    /// answers if it knows the peer, otherwise the peer itself if it is on the local network. Cancel safe.
    ///
    /// # Errors
    ///
    /// Returns the error of the one that was asked last.
    pub(crate) async fn browse(
        &self,
        peer: PeerRef,
        after: Option<String>,
        limit: u16,
    ) -> Result<BrowsedPage, BrowseError> {
        let error = match self.index.browse(peer, after.clone(), limit).await {
            Ok(listing) => return Ok(listing),
            Err(error) => error,
        };
        let neighbour = self.neighbours.as_ref().filter(|_| is_unknown_to_index(&error));
        let found = neighbour.and_then(|neighbours| Some((neighbours, neighbours.find(peer)?)));
        let Some((neighbours, neighbour)) = found else { return Err(error.into()) };
        tracing::debug!(address = %neighbour.address, %error, "listing the files of a neighbour");
        let (files, more) = neighbours.browse(&neighbour, after, limit).await?;
        Ok((neighbour.node, files, more))
    }

    /// Returns the nodes whose id begins with the given hexadecimal digits, at the index and on the local network.
    pub(crate) async fn find_nodes(&self, prefix: String) -> Vec<NodeAddress> {
        let neighbours = self.neighbours.as_ref();
        let nearby = neighbours.map(|neighbours| neighbours.with_id_prefix(&prefix)).unwrap_or_default();
        // Without the index, the neighbours are the only nodes.
        let mut nodes = self.index.find_nodes(prefix).await.unwrap_or_default();
        for neighbour in nearby {
            if !nodes.iter().any(|node| node.node == neighbour.node) {
                nodes.push(neighbour);
            }
        }
        nodes.truncate(MAX_NODES_FOUND);
        nodes
    }
}

/// Returns true if the index cannot know what the peer shares, so that the peer itself is asked.
const fn is_unknown_to_index(error: &IndexError) -> bool {
    matches!(
        error,
        IndexError::Offline { .. }
            | IndexError::Stopped
            | IndexError::TimedOut { .. }
            | IndexError::Refused(Refusal::NoSuchPeer)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn neighbour_is_asked_only_if_the_index_cannot_know() {
        let offline = IndexError::Offline { reason: "refused".into() };
        let late = IndexError::TimedOut { after: Duration::from_secs(1) };
        for error in [offline, late, IndexError::Stopped, Refusal::NoSuchPeer.into()] {
            assert!(is_unknown_to_index(&error), "{error}");
        }
        for error in [IndexError::Unsupported, IndexError::TooLong { limit: 1 }] {
            assert!(!is_unknown_to_index(&error), "{error}");
        }
    }
}
