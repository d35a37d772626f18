//! Nodes that were last seen long ago.

use std::sync::Arc;

use super::{Catalog, NodeNo};

impl Catalog {
    /// Returns the nodes that share something and were last noted as seen before a time.
    pub(crate) fn unseen_since(&self, time: u64) -> Vec<NodeNo> {
        let nodes = self.lists.keys().copied();
        nodes.filter(|node| self.is_unseen_since(*node, time)).collect()
    }

    /// Says whether a node shares something and was last noted as seen before a time, in seconds since 1970.
    pub(crate) fn is_unseen_since(&self, node: NodeNo, time: u64) -> bool {
        self.lists.get(&node).is_some_and(|list| list.len() > 0 && list.last_seen < time)
    }

    /// Returns all paths of a node's list, in order.
    pub(crate) fn paths(&self, node: NodeNo) -> Vec<Arc<str>> {
        let files = self.lists.get(&node).map(|list| list.after(None)).into_iter().flatten();
        files.map(|(path, _)| Arc::clone(path)).collect()
    }
}
