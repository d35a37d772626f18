//! What the commands of a script wait for, so that a script can count on what it finds.
//!
//! A node that was just started may still be looking through its folder, and the index may not have judged its port. A search or a
//! download does not depend on either; what shows or changes the node's own standing does.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::command::ReplCommand;
use crate::index_client::IndexStatus;
use crate::node::Node;

/// How long the commands of a script wait in all.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prerequisite {
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
    satisfied: Prerequisite,
    deadline: Instant,
}

impl Readiness {
    /// Begins at the start of the script.
    pub(super) fn begin() -> Self {
        Self { satisfied: Prerequisite::Nothing, deadline: Instant::now() + READY_TIMEOUT }
    }

    /// Waits until the node is ready for a command, or for long enough. Returns true if the node's files were waited for, the first
    /// time that they are. Cancel safe.
    pub(super) async fn wait(&mut self, node: &Node, command: &ReplCommand) -> bool {
        let need = Prerequisite::for_command(command);
        if need <= self.satisfied {
            return false;
        }
        // What takes longer is shown by `status` to whoever asks.
        let _ = timeout_at(self.deadline, wait_until_ready(node, need)).await;
        std::mem::replace(&mut self.satisfied, need) < Prerequisite::Library
    }
}

impl Prerequisite {
    const fn for_command(command: &ReplCommand) -> Self {
        match command {
            ReplCommand::Search(_)
            | ReplCommand::More
            | ReplCommand::Sources(_)
            | ReplCommand::Browse(_)
            | ReplCommand::Limit(_)
            | ReplCommand::Help(_)
            | ReplCommand::Quit => Self::Nothing,
            // What is shared here is not fetched again.
            ReplCommand::Download(_) => Self::Library,
            _ => Self::Index,
        }
    }
}

async fn wait_until_ready(node: &Node, need: Prerequisite) {
    node.library().settled().await;
    if need < Prerequisite::Index {
        return;
    }
    let index = node.index();
    let mut status = index.status();
    let is_decided = |status: &IndexStatus| !matches!(status, IndexStatus::Connecting { .. });
    let decided = status.wait_for(is_decided).await;
    let is_online = decided.is_ok_and(|status| matches!(*status, IndexStatus::Online { .. }));
    if is_online {
        let _ = index.synced(READY_TIMEOUT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_needs_nothing_and_status_needs_the_index() {
        assert_eq!(Prerequisite::for_command(&ReplCommand::Search("x".into())), Prerequisite::Nothing);
        assert_eq!(Prerequisite::for_command(&ReplCommand::More), Prerequisite::Nothing);
        assert_eq!(Prerequisite::for_command(&ReplCommand::Status), Prerequisite::Index);
        assert_eq!(Prerequisite::for_command(&ReplCommand::Files), Prerequisite::Index);
        assert!(Prerequisite::Nothing < Prerequisite::Library && Prerequisite::Library < Prerequisite::Index);
    }
}
