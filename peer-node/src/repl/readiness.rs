//! What the commands of a script wait for, so that a script can count on what it finds.
//!
//! A node that was just started may still be looking through its folder, and the index may not have judged its port. A search or a
//! download does not depend on either; what shows or changes the node's own standing does.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::command::Command;
use crate::index_client::IndexStatus;
use crate::node::Node;

/// How long the commands of a script wait in all.
const SETTLING: Duration = Duration::from_secs(10);

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Nothing; what it asks the index waits for the connection by itself.
    Nothing,
    /// That the files of the folder are shared.
    Library,
    /// Besides, that the index has acknowledged them and judged the port, or is known to be away.
    Index,
}

/// What a script has waited for.
#[derive(Debug)]
pub(super) struct Readiness {
    reached: Need,
    until: Instant,
}

impl Readiness {
    /// Begins at the start of the script.
    pub(super) fn begin() -> Self {
        Self { reached: Need::Nothing, until: Instant::now() + SETTLING }
    }

    /// Waits until the node is ready for a command, or for long enough. Returns true if the node's files were waited for, the first
    /// time that they are. Cancel safe.
    pub(super) async fn wait(&mut self, node: &Node, command: &Command) -> bool {
        let need = Need::of(command);
        if need <= self.reached {
            return false;
        }
        // What takes longer is shown by `status` to whoever asks.
        let _ = timeout_at(self.until, settle(node, need)).await;
        std::mem::replace(&mut self.reached, need) < Need::Library
    }
}

impl Need {
    const fn of(command: &Command) -> Self {
        match command {
            Command::Search(_)
            | Command::More
            | Command::Sources(_)
            | Command::Browse(_)
            | Command::Limit(_)
            | Command::Help(_)
            | Command::Quit => Self::Nothing,
            // What is shared here is not fetched again.
            Command::Download(_) => Self::Library,
            _ => Self::Index,
        }
    }
}

async fn settle(node: &Node, need: Need) {
    node.library().settled().await;
    if need < Need::Index {
        return;
    }
    let index = node.index();
    let mut status = index.status();
    let is_decided = |status: &IndexStatus| !matches!(status, IndexStatus::Connecting { .. });
    let decided = status.wait_for(is_decided).await;
    let is_online = decided.is_ok_and(|status| matches!(*status, IndexStatus::Online { .. }));
    if is_online {
        let _ = index.synced(SETTLING).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_waits_for_nothing_and_what_shows_the_node_for_everything() {
        assert_eq!(Need::of(&Command::Search("x".into())), Need::Nothing);
        assert_eq!(Need::of(&Command::More), Need::Nothing);
        assert_eq!(Need::of(&Command::Status), Need::Index);
        assert_eq!(Need::of(&Command::Files), Need::Index);
        assert!(Need::Nothing < Need::Library && Need::Library < Need::Index);
    }
}
