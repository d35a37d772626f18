//! Nodes that were last seen long ago.

use super::{Catalog, NodeNo, Unchanged};

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

    /// Takes everything out of a list.
    pub(crate) fn clear_list(&mut self, node: NodeNo) -> Result<(), Unchanged> {
        self.begin_list(node)?;
        self.end_list(node)
    }
}
