//! What the commands of a script wait for, so that their results do not depend on timing.
//!
//! A node that was just started may still be scanning its folder, and the index may not have probed its port yet. A search or a
//! download does not depend on either; commands that show or change what the node shares do.

use std::time::Duration;

use tokio::time::Instant;

use super::command::ReplCommand;
use crate::operations::Operations;
use crate::operations::readiness::ReadyFor;

/// Maximum total time that the commands of a script wait.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a command needs to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prerequisite {
    /// Nothing: requests to the index wait for the connection anyway.
    Nothing,
    /// The scan of the shared folders.
    Library,
    /// The scan, and the acknowledgement of the index after its probe, or the knowledge that the index is offline.
    Index,
}

/// What a script has already waited for.
#[derive(Debug)]
pub(super) struct Readiness {
    satisfied: Prerequisite,
    deadline: Instant,
}

impl Readiness {
    /// Starts the deadline with the script.
    pub(super) fn begin() -> Self {
        Self { satisfied: Prerequisite::Nothing, deadline: Instant::now() + READY_TIMEOUT }
    }

    /// Waits until the node is ready for a command, at most until the deadline. Returns true the first time that it has waited
    /// for the node's files. Cancel safe.
    pub(super) async fn wait(&mut self, operations: &Operations, command: &ReplCommand) -> bool {
        let need = Prerequisite::for_command(command);
        if need <= self.satisfied {
            return false;
        }
        let ready_for = if need == Prerequisite::Index { ReadyFor::Index } else { ReadyFor::Library };
        // After the deadline the command runs anyway; `status` shows what is still pending.
        let _ = operations.ready(ready_for, self.deadline).await;
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
            // Files that are already shared must not be fetched again.
            ReplCommand::Download(_) => Self::Library,
            _ => Self::Index,
        }
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
