//! Waiting until a node that was just started knows what it shares and how the index sees it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Operations;
use crate::discovery::index_client::{IndexStatus, Reachability};

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadyFor {
    /// Every share is scanned, and every file hashed.
    Library,
    /// The library is ready, and the index has acknowledged its files and probed the node's port, or is known to be offline.
    Index,
    /// The library is ready, and the state of the index is known, including its probe. Its acknowledgement may be pending.
    Summary,
}

impl Operations {
    /// Waits until the node is ready, at most until `deadline`. Returns false if it is not ready then. Cancel safe.
    pub(crate) async fn ready(&self, need: ReadyFor, deadline: Instant) -> bool {
        timeout_at(deadline, self.wait_until_ready(need, deadline)).await.is_ok()
    }

    async fn wait_until_ready(&self, need: ReadyFor, deadline: Instant) {
        self.node.library().settled().await;
        let is_known: fn(&IndexStatus) -> bool = match need {
            ReadyFor::Library => return,
            ReadyFor::Index => is_decided,
            ReadyFor::Summary => is_probed,
        };
        let mut status = self.node.index().status();
        let known = status.wait_for(is_known).await;
        let is_online = known.is_ok_and(|status| matches!(*status, IndexStatus::Online { .. }));
        if is_online && need == ReadyFor::Index {
            // A refused or late acknowledgement is shown by `status`.
            let left: Duration = deadline.saturating_duration_since(Instant::now());
            let _ = self.node.index().synced(left).await;
        }
    }
}

/// Returns true if the first attempt to connect has succeeded or failed.
const fn is_decided(status: &IndexStatus) -> bool {
    !matches!(status, IndexStatus::Connecting { .. })
}

/// Returns true if the index is offline, or has probed the node's port.
pub(super) const fn is_probed(status: &IndexStatus) -> bool {
    !matches!(
        status,
        IndexStatus::Connecting { .. } | IndexStatus::Online { reachable: Reachability::Unknown, .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::index_client::IndexInfo;

    #[tokio::test]
    async fn connection_is_decided_before_the_port_is_probed() {
        let online = |reachable| IndexStatus::Online {
            seen_address: "127.0.0.1:7".parse().unwrap(),
            reachable,
            registered: 0,
            synced: true,
            trouble: None,
            index_info: IndexInfo::default(),
        };
        let offline = IndexStatus::Offline { error: "refused".into(), retry_at: Instant::now() };
        let connecting = IndexStatus::Connecting { attempt: 1 };
        let unprobed = online(Reachability::Unknown);
        for (status, decided, probed) in [
            (&connecting, false, false),
            (&offline, true, true),
            (&unprobed, true, false),
            (&online(Reachability::Yes), true, true),
        ] {
            assert_eq!((is_decided(status), is_probed(status)), (decided, probed), "{status}");
        }
    }
}
