//! How a peer ends.

use std::time::Duration;

use super::{GroupPhase, GroupSession, GroupSessionInputs};
use crate::configured::reader::GroupEvent;

/// How long neighbours may take to hear the last that is said to them.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

impl GroupSession {
    /// Parts with everybody; in peace, if nobody needs anything any more.
    pub(super) async fn shut_down(&mut self, inbox: &mut GroupSessionInputs, in_peace: bool) {
        if in_peace {
            for neighbour in self.peers.neighbours_mut() {
                neighbour.send_last_done();
                neighbour.link.finish();
            }
            // Those that do not end the connection have heard all by then.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.wait_for_disconnects(inbox)).await;
        }
        self.peers.disconnect_all();
        self.store.finish_jobs(self.phase == GroupPhase::Fetching).await;
        self.log.flush();
    }

    async fn wait_for_disconnects(&mut self, inbox: &mut GroupSessionInputs) {
        while self.peers.len() > 0 {
            let Some((id, event)) = inbox.events.recv().await else { return };
            if let GroupEvent::Disconnected(ending) = event {
                self.on_disconnected(id, &ending);
            }
        }
    }
}
