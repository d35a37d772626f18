//! Shuts a session down.

use std::time::{Duration, Instant};

use super::{GroupPhase, GroupSession, GroupSessionInputs};
use crate::configured::reader::GroupEvent;

/// Maximum time to deliver the last messages.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

impl GroupSession {
    /// Closes all connections. If `is_graceful`, first sends the queued messages and waits for the neighbours to disconnect.
    pub(super) async fn shut_down(&mut self, inbox: &mut GroupSessionInputs, is_graceful: bool) {
        if is_graceful {
            for neighbour in self.peers.neighbours_mut() {
                neighbour.send_last_done();
                neighbour.link.finish();
            }
            // Neighbours that keep the connection open have received everything by then.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.wait_for_disconnects(inbox)).await;
        }
        self.peers.disconnect_all();
        for piece in self.pieces.settle().await {
            self.store.mark_stored(piece);
        }
        while self.store.finalizing.join_next().await.is_some() {}
        if self.phase == GroupPhase::Fetching {
            self.pieces.write_last_record(self.store.have().clone(), Instant::now()).await;
        }
        self.log.flush();
    }

    async fn wait_for_disconnects(&mut self, inbox: &mut GroupSessionInputs) {
        while self.peers.len() > 0 {
            let Some((id, event)) = inbox.events.recv().await else { return };
            if let GroupEvent::Disconnected(reason) = event {
                self.on_disconnected(id, &reason);
            }
        }
    }
}
