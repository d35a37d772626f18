//! What a node can be asked to do: typed requests, results, problems and events.
//!
//! Everything that decides what a command *means* is here: which content a name stands for, which files a folder contains,
//! whether a download is new, in progress or here already, how long a change may take to show, what is news. Front ends parse
//! their input into requests, and show results. Nothing here knows a front end, a terminal or a sentence for people.

use std::sync::Arc;

use crate::node::Node;

/// What a node can be asked to do. Cheap to clone. If the future of a call is dropped, what it started continues.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    node: Arc<Node>,
}

impl Operations {
    /// Returns the operations of a running node.
    pub(crate) const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}
