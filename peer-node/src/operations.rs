//! What a node can be asked to do: typed requests, results, problems and events.
//!
//! Everything that decides what a command *means* is here: which content a name stands for, which files a folder contains,
//! whether a download is new, in progress or here already, how long a change may take to show, what is news. Front ends parse
//! their input into requests, and show results. Nothing here knows a front end, a terminal or a sentence for people.

pub(crate) mod display_text;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod index_state;
pub(crate) mod left_out;
pub(crate) mod limits;
pub(crate) mod readiness;
pub(crate) mod shares;
pub(crate) mod status;

use std::sync::Arc;

use crate::node::Node;
use events::EventBus;

/// What a node can be asked to do. Cheap to clone. If the future of a call is dropped, what it started continues.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    node: Arc<Node>,
    events: EventBus,
}

impl Operations {
    /// Returns the operations of a running node, and starts to publish its events. A node has one set of operations; further
    /// front ends get clones.
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let events = events::start(&node);
        Self { node, events }
    }
}
