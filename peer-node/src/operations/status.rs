//! The status of a node, assembled into one value.

use std::net::SocketAddr;

use protocol::index::Statistics;
use protocol::node_id::NodeId;
use serde::Serialize;

use super::Operations;
use super::as_text::as_text;
use super::display_text::DisplayText;
use super::index_state::IndexState;
use super::left_out::LeftOutSummary;
use super::limits::Limits;
use crate::discovery::index_client::IndexStatus;
use crate::library::HashingProgress;

/// The status of a node.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NodeStatus {
    /// Who and where the node is.
    pub(crate) identity: NodeIdentity,
    /// The connection to the index.
    pub(crate) index: IndexState,
    /// What the index knows of the network; `None` if it did not answer.
    pub(crate) network: Option<NetworkStatistics>,
    /// The nodes on the local network; `None` if LAN discovery is disabled.
    pub(crate) neighbours: Option<NeighbourStatus>,
    /// What the node shares.
    pub(crate) library: LibraryStatus,
    /// Problems of the state folder.
    pub(crate) state_folder: StateFolderStatus,
    /// Downloads and uploads.
    pub(crate) transfers: TransferStatus,
    /// The limits.
    pub(crate) limits: Limits,
}

/// Who and where a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NodeIdentity {
    /// Id of the node.
    #[serde(serialize_with = "as_text")]
    pub(crate) node: NodeId,
    /// The address at which it accepts peers.
    pub(crate) address: SocketAddr,
    /// Its share folder.
    pub(crate) folder: DisplayText,
}

/// What the index knows of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NetworkStatistics {
    /// Nodes that are online and reachable.
    pub(crate) online: u32,
    /// Files that all nodes have registered.
    pub(crate) files: u64,
    /// Distinct contents of these files.
    pub(crate) contents: u64,
    /// Total size of these contents in bytes.
    pub(crate) bytes: u64,
    /// Seconds since the index started.
    pub(crate) index_uptime: u64,
}

/// The nodes on the local network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NeighbourStatus {
    /// Number of nodes that have recently announced themselves.
    pub(crate) count: usize,
    /// What prevents this node from discovering others.
    pub(crate) receive_error: Option<DisplayText>,
    /// What prevents others from discovering this node.
    pub(crate) announce_error: Option<DisplayText>,
}

/// What a node shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LibraryStatus {
    /// Number of shared files.
    pub(crate) files: u64,
    /// Their total size in bytes.
    pub(crate) bytes: u64,
    /// What the shared folders leave out; `None` if nothing.
    pub(crate) left_out: Option<LeftOutSummary>,
    /// The progress of hashing.
    pub(crate) hashing: HashingStatus,
}

/// The progress of scanning and hashing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct HashingStatus {
    /// Number of files still to be hashed.
    pub(crate) files_left: usize,
    /// Bytes hashed since everything was hashed the last time.
    pub(crate) bytes_done: u64,
    /// Bytes to hash since then, including those that are done.
    pub(crate) bytes_total: u64,
    /// A file that is being hashed.
    pub(crate) current: Option<DisplayText>,
    /// Everything is scanned and hashed.
    pub(crate) is_settled: bool,
}

/// Problems of the state folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StateFolderStatus {
    /// A warning that applies as long as the folder stays where it is.
    pub(crate) warning: Option<DisplayText>,
    /// What does not work at the moment.
    pub(crate) problems: Vec<DisplayText>,
}

/// Downloads and uploads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TransferStatus {
    /// Number of unfinished downloads.
    pub(crate) downloads: usize,
    /// Number of uploads.
    pub(crate) uploads: usize,
    /// Bytes sent to peers since the node started.
    pub(crate) sent: u64,
    /// Bytes received from peers since the node started.
    pub(crate) received: u64,
    /// Number of connected peers.
    pub(crate) peers: usize,
}

impl From<Statistics> for NetworkStatistics {
    fn from(statistics: Statistics) -> Self {
        let Statistics { online, files, contents, bytes, uptime, .. } = statistics;
        Self { online, files, contents, bytes, index_uptime: uptime }
    }
}

impl From<&HashingProgress> for HashingStatus {
    fn from(progress: &HashingProgress) -> Self {
        Self {
            files_left: progress.files_left,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            current: progress.current.as_deref().map(DisplayText::new),
            is_settled: progress.is_settled,
        }
    }
}

impl Operations {
    /// Returns the status of the node. Asks a connected index for its statistics; never fails.
    pub(crate) async fn status(&self) -> NodeStatus {
        let status = self.node.index().status().borrow().clone();
        let statistics = match status {
            IndexStatus::Online { .. } => self.node.index().statistics().await.ok(),
            _ => None,
        };
        NodeStatus {
            identity: self.identity(),
            index: IndexState::new(self.node.address(), &status),
            network: statistics.map(NetworkStatistics::from),
            neighbours: self.neighbour_status(),
            library: self.library_status(),
            state_folder: self.state_folder_status(),
            transfers: self.transfer_status(),
            limits: self.limits(),
        }
    }

    /// Returns who and where the node is.
    pub(crate) fn identity(&self) -> NodeIdentity {
        let folder = DisplayText::from_path(self.node.share_dir());
        NodeIdentity { node: self.node.node_id(), address: self.node.address(), folder }
    }

    /// Returns what the node shares.
    pub(crate) fn library_status(&self) -> LibraryStatus {
        // The progress is read first: files that are hashed meanwhile are then counted.
        let hashing = self.hashing();
        let files = self.node.library().files();
        LibraryStatus {
            files: files.len() as u64,
            bytes: files.total_bytes(),
            left_out: self.left_out(),
            hashing,
        }
    }

    /// Returns the progress of scanning and hashing.
    pub(crate) fn hashing(&self) -> HashingStatus {
        HashingStatus::from(&*self.node.library().hashing().borrow())
    }

    fn neighbour_status(&self) -> Option<NeighbourStatus> {
        let neighbours = self.node.neighbours()?;
        let errors = [neighbours.receive_error(), neighbours.announce_error()];
        let [receive_error, announce_error] = errors.map(|error| error.as_deref().map(DisplayText::new));
        Some(NeighbourStatus { count: neighbours.count(), receive_error, announce_error })
    }

    fn state_folder_status(&self) -> StateFolderStatus {
        let health = self.node.state().health();
        let health = health.borrow();
        let warning = health.warning().as_deref().map(DisplayText::new);
        StateFolderStatus {
            warning,
            problems: health.problems().map(|text| DisplayText::new(&text)).collect(),
        }
    }

    fn transfer_status(&self) -> TransferStatus {
        let totals = self.node.totals();
        TransferStatus {
            downloads: self.node.downloads().running_count(),
            uploads: self.node.uploads().len(),
            sent: totals.sent,
            received: totals.received,
            peers: totals.peers,
        }
    }
}
