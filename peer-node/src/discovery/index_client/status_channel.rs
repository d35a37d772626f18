//! The channel through which the actor publishes the status and handles read it.

use tokio::sync::watch;

use super::{IndexError, IndexStatus, Reachability};

/// The sending side.
#[derive(Debug)]
pub(super) struct StatusPublisher {
    status: watch::Sender<IndexStatus>,
    acknowledged: watch::Sender<Option<u64>>,
}

/// The receiving side.
#[derive(Debug, Clone)]
pub(super) struct StatusReader {
    pub(super) status: watch::Receiver<IndexStatus>,
    /// The library generation that the index has acknowledged; `None` while disconnected.
    pub(super) acknowledged: watch::Receiver<Option<u64>>,
}

impl StatusPublisher {
    pub(super) fn new() -> (Self, StatusReader) {
        let (status, status_reader) = watch::channel(IndexStatus::Connecting { attempt: 1 });
        let (acknowledged, acknowledged_reader) = watch::channel(None);
        (
            Self { status, acknowledged },
            StatusReader { status: status_reader, acknowledged: acknowledged_reader },
        )
    }

    /// Publishes the status of a running session.
    pub(super) fn publish(&self, status: IndexStatus, acknowledged: Option<u64>) {
        // The status comes first, so that a waiter for the acknowledgement sees the status that belongs to it.
        send_if_changed(&self.status, status);
        send_if_changed(&self.acknowledged, acknowledged);
    }

    /// Publishes the status without a session.
    pub(super) fn publish_offline(&self, status: IndexStatus) {
        self.publish(status, None);
    }
}

impl StatusReader {
    /// Waits until the index has acknowledged this library generation and probed the node's port.
    pub(super) async fn wait_until_synced(&mut self, generation: u64) -> Result<(), IndexError> {
        loop {
            let has_list = *self.acknowledged.borrow_and_update() >= Some(generation);
            match &*self.status.borrow_and_update() {
                IndexStatus::Online { reachable: Reachability::Yes | Reachability::No { .. }, .. }
                    if has_list =>
                {
                    return Ok(());
                }
                IndexStatus::Stopped => return Err(IndexError::Stopped),
                _ => {}
            }
            let changed = tokio::select! {
                changed = self.acknowledged.changed() => changed,
                changed = self.status.changed() => changed,
            };
            changed.map_err(|_| IndexError::Stopped)?;
        }
    }
}

fn send_if_changed<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|current| {
        let differs = *current != value;
        *current = value;
        differs
    });
}

/// Returns the error of a request that cannot be made in this status.
pub(super) fn offline_error(status: &IndexStatus) -> IndexError {
    match status {
        IndexStatus::Stopped => IndexError::Stopped,
        IndexStatus::Offline { error, .. } => IndexError::Offline { reason: error.clone() },
        other => IndexError::Offline { reason: other.to_string() },
    }
}
