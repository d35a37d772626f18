//! Events: what changes in a node, pushed to all front ends through one bounded bus.
//!
//! One task turns the states that the parts of the node publish into [`Event`]s ([`watcher`]); pure functions decide what is
//! news. The [`EventBus`] numbers the events and keeps the latest. A subscriber resumes after any number, and learns explicitly
//! if it missed events. If nothing changes in the node, nothing runs here.

mod bus;
mod download_news;
mod download_watcher;
mod event;
mod event_ring;
mod hashing_news;
mod index_news;
mod space_news;
mod state_folder_news;
mod watcher;

pub(crate) use bus::{EventBus, EventStream};
pub(crate) use download_news::{DownloadChange, DownloadEvent};
pub(crate) use event::Event;
pub(crate) use index_news::IndexNews;
pub(crate) use space_news::{SpaceChange, SpaceNews};
pub(crate) use state_folder_news::StateFolderNews;

use super::Operations;
use crate::node::Node;
use crate::view::DownloadId;
use watcher::NodeWatcher;

/// Starts to publish the events of a node, until it stops.
pub(super) fn start(node: &Node) -> EventBus {
    let bus = EventBus::default();
    node.spawn(NodeWatcher::new(node, bus.clone()).run());
    bus
}

impl Operations {
    /// Returns the bus of all events.
    pub(crate) const fn events(&self) -> &EventBus {
        &self.events
    }

    /// Returns the event that describes the current state of a download; `None` if the download has left the list.
    pub(crate) fn download_event(&self, id: DownloadId) -> Option<DownloadEvent> {
        let view = self.node.downloads().watch(id)?;
        let view = view.borrow();
        Some(DownloadEvent::current(&view))
    }

    /// Returns the events that describe the current states of all downloads, in the order of their numbers.
    pub(crate) fn download_events(&self) -> Vec<DownloadEvent> {
        self.node.downloads().views().iter().map(DownloadEvent::current).collect()
    }
}

#[cfg(test)]
mod tests;
