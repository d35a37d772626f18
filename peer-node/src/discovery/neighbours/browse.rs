//! Lists the files of one known node.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::index::{NodeAddress, PeerRef};
use tokio::time::timeout;

use super::Neighbours;
use crate::native::{ListingPage, PeerDialError, PeerListingError};

/// Maximum time for a node to send one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a node on the local network does not list its files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NeighbourBrowseError {
    /// The node cannot be reached.
    #[error(transparent)]
    Dial(#[from] PeerDialError),
    /// The node runs a release without the feature.
    #[error("{address} is an older release and lists its files only at an index")]
    Unsupported {
        /// Address of the node.
        address: SocketAddr,
    },
    /// The node did not answer in time.
    #[error("{address} did not list its files within {} s", PAGE_TIMEOUT.as_secs())]
    TimedOut {
        /// Address of the node.
        address: SocketAddr,
    },
    /// The link failed.
    #[error("{address} did not list its files: {source}")]
    Failed {
        /// Address of the node.
        address: SocketAddr,
        /// Cause.
        source: PeerListingError,
    },
}

impl Neighbours {
    /// Returns the known node that a reference names.
    pub(crate) fn find(&self, peer: PeerRef) -> Option<NodeAddress> {
        self.shared.table.lock().find(peer, Instant::now())
    }

    /// Returns the known nodes whose id begins with the given lower-case hexadecimal digits.
    pub(crate) fn with_id_prefix(&self, prefix: &str) -> Vec<NodeAddress> {
        let mut nodes = self.shared.table.lock().nodes(Instant::now());
        nodes.retain(|node| node.node.to_string().starts_with(prefix));
        nodes
    }

    /// Returns a page of a node's files, behind the path `after`. Cancel safe.
    ///
    /// # Errors
    ///
    /// Fails if the node cannot be reached, does not support lists, or does not answer in time.
    pub(crate) async fn browse(
        &self,
        neighbour: &NodeAddress,
        after: Option<String>,
        limit: u16,
    ) -> Result<ListingPage, NeighbourBrowseError> {
        let NodeAddress { node, address } = *neighbour;
        let asking = async {
            let link = self.shared.config.links.get_or_connect(node, address).await?;
            link.browse(after, limit).await.map_err(|source| match source {
                PeerListingError::Unsupported => NeighbourBrowseError::Unsupported { address },
                source => NeighbourBrowseError::Failed { address, source },
            })
        };
        timeout(PAGE_TIMEOUT, asking).await.unwrap_or(Err(NeighbourBrowseError::TimedOut { address }))
    }
}
