//! Nodes that were last seen long ago.

use std::sync::Arc;

use super::{Catalog, FileList};
use crate::ids::NodeNo;

/// Why a list is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpiryReason {
    /// Its node was not there for long.
    Absent,
    /// Its node was not there for a while, and not online for long before that.
    ShortLived,
    /// Room was needed.
    Capacity,
}

impl ExpiryReason {
    pub(crate) const ALL: [Self; 3] = [Self::Absent, Self::ShortLived, Self::Capacity];

    /// Returns its name in the log and in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::ShortLived => "brief",
            Self::Capacity => "room",
        }
    }
}

impl Catalog {
    /// Returns the nodes that share something and were last noted as seen before a time, and all that are there and have not been
    /// online for long.
    pub(crate) fn expiry_candidates(&self, stale: u64) -> Vec<NodeNo> {
        let is_due = |list: &FileList| {
            list.len() > 0 && (list.visits.last_seen < stale || list.visits.is_new_and_online())
        };
        self.lists.iter().filter(|(_, list)| is_due(list)).map(|(node, _)| *node).collect()
    }

    /// Returns why the list of a node that is not there is to be forgotten, if it is: the node was last seen before a time, in
    /// seconds since 1970, or before another if it was not online for long.
    pub(crate) fn expiry_reason(&self, node: NodeNo, forgotten: u64, brief: u64) -> Option<ExpiryReason> {
        let list = self.lists.get(&node).filter(|list| list.len() > 0)?;
        let (seen, is_brief) = (list.visits.last_seen, list.visits.attendance.is_short_lived());
        let long_absent = (seen < forgotten).then_some(ExpiryReason::Absent);
        long_absent.or_else(|| (is_brief && seen < brief).then_some(ExpiryReason::ShortLived))
    }

    /// Returns all paths of a node's list, in order.
    pub(crate) fn paths(&self, node: NodeNo) -> Vec<Arc<str>> {
        let files = self.lists.get(&node).map(|list| list.iter_after(None)).into_iter().flatten();
        files.map(|(path, _)| Arc::clone(path)).collect()
    }
}
