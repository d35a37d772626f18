//! Expiry of the lists of nodes that have been offline for long.

use std::sync::Arc;

use super::{Catalog, FileList};
use crate::ids::NodeNo;

/// Why a list expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpiryReason {
    /// The node has been offline for long.
    Absent,
    /// The node has been offline for a while, and is short-lived.
    ShortLived,
    /// Its space was needed.
    Capacity,
}

impl ExpiryReason {
    pub(crate) const ALL: [Self; 3] = [Self::Absent, Self::ShortLived, Self::Capacity];

    /// Returns the name used in the log and in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::ShortLived => "brief",
            Self::Capacity => "room",
        }
    }
}

impl Catalog {
    /// Returns the nodes with files that were last seen before `stale` (seconds since 1970), and all online nodes that are
    /// short-lived so far.
    pub(crate) fn expiry_candidates(&self, stale: u64) -> Vec<NodeNo> {
        let is_due = |list: &FileList| {
            list.len() > 0 && (list.visits.last_seen < stale || list.visits.is_new_and_online())
        };
        self.lists.iter().filter(|(_, list)| is_due(list)).map(|(node, _)| *node).collect()
    }

    /// Returns why the list of an offline node expires, if it does: the node was last seen before `absent`, or before
    /// `short_lived` if it is short-lived (both in seconds since 1970).
    pub(crate) fn expiry_reason(&self, node: NodeNo, absent: u64, short_lived: u64) -> Option<ExpiryReason> {
        let list = self.lists.get(&node).filter(|list| list.len() > 0)?;
        let (seen, is_short_lived) = (list.visits.last_seen, list.visits.attendance.is_short_lived());
        let long_absent = (seen < absent).then_some(ExpiryReason::Absent);
        long_absent.or_else(|| (is_short_lived && seen < short_lived).then_some(ExpiryReason::ShortLived))
    }

    /// Returns all paths of a node's list in order.
    pub(crate) fn paths(&self, node: NodeNo) -> Vec<Arc<str>> {
        let files = self.lists.get(&node).map(|list| list.iter_after(None)).into_iter().flatten();
        files.map(|(path, _)| Arc::clone(path)).collect()
    }
}
