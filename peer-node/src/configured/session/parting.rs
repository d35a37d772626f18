//! How a peer ends.

use std::time::Duration;

use super::{Inbox, Phase, Session};
use crate::configured::reader::Heard;

/// How long neighbours may take to hear the last that is said to them.
const PATIENCE: Duration = Duration::from_secs(2);

impl Session {
    /// Parts with everybody; in peace, if nobody needs anything any more.
    pub(super) async fn part(&mut self, inbox: &mut Inbox, in_peace: bool) {
        if in_peace {
            for neighbour in self.group.neighbours_mut() {
                neighbour.send_last_done();
                neighbour.link.finish();
            }
            // Those that do not end the connection have heard all by then.
            let _ = tokio::time::timeout(PATIENCE, self.wait_for_ends(inbox)).await;
        }
        self.group.clear();
        self.store.rest(self.phase == Phase::Fetching).await;
        self.log.flush();
    }

    async fn wait_for_ends(&mut self, inbox: &mut Inbox) {
        while self.group.len() > 0 {
            let Some((id, heard)) = inbox.events.recv().await else { return };
            if let Heard::Lost(ending) = heard {
                self.lost(id, &ending);
            }
        }
    }
}
