//! What a discovery source finds for the transfer of a content. Trackers report it when they reply; the finder returns it to
//! the caller.

use std::net::SocketAddr;

use protocol::index::{ContentSource, NodeAddress};
use tokio::sync::mpsc;

use crate::view::ContentId;

/// Number of reports that a transfer may leave unread. A report contains all peers of one reply, and a source reports at most
/// a few times a minute.
const BACKLOG: usize = 64;

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PeerOrigin {
    /// An index named the peer.
    Index,
    /// The peer announced itself on the local network.
    Neighbour,
    /// A tracker named the peer.
    Tracker,
}

/// The address of a peer, in the dialect that it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerContact {
    /// A Peerdex node, which must prove to be the one with this id.
    Node(NodeAddress),
    /// A BitTorrent client.
    Client(SocketAddr),
}

/// A peer that may have a content. It is a hint: the address may be wrong, and the peer may have nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerEvent {
    /// The content.
    pub(crate) content: ContentId,
    /// How to reach the peer.
    pub(crate) contact: PeerContact,
    /// Who named the peer.
    pub(crate) origin: PeerOrigin,
}

impl PeerEvent {
    /// Returns the event for a node that the index or a neighbour named as a source.
    pub(crate) const fn node(content: ContentId, source: &ContentSource, origin: PeerOrigin) -> Self {
        let node = NodeAddress { node: source.node, address: source.address };
        Self { content, contact: PeerContact::Node(node), origin }
    }

    /// Returns the event for a BitTorrent client.
    pub(crate) const fn client(content: ContentId, address: SocketAddr, origin: PeerOrigin) -> Self {
        Self { content, contact: PeerContact::Client(address), origin }
    }
}

/// Receives what the trackers of one transfer report.
pub(crate) type PeerEvents = mpsc::Receiver<Vec<PeerEvent>>;

/// Reports peers to one transfer. Every tracker of the transfer has a clone.
#[derive(Debug, Clone)]
pub(crate) struct PeerReporter(mpsc::Sender<Vec<PeerEvent>>);

/// Creates the channel by which discovery sources report to one transfer.
pub(crate) fn peer_events() -> (PeerReporter, PeerEvents) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (PeerReporter(sender), receiver)
}

impl PeerReporter {
    /// Reports peers. Drops the report if the transfer has ended or does not keep up: the source will report again.
    pub(crate) fn report(&self, events: Vec<PeerEvent>) {
        if !events.is_empty()
            && let Err(error) = self.0.try_send(events)
        {
            tracing::debug!(%error, "discovered peers dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::infohash::Infohash;

    use super::*;

    #[test]
    fn reports_beyond_the_backlog_are_dropped() {
        let (reporter, mut events) = peer_events();
        let content = ContentId::Torrent(Infohash::from_bytes([1; 20]));
        let event =
            |port| vec![PeerEvent::client(content, ([10, 0, 0, 1], port).into(), PeerOrigin::Tracker)];
        reporter.report(Vec::new());
        assert!(events.try_recv().is_err(), "an empty report wakes nobody");
        (0..100).for_each(|port| reporter.clone().report(event(port)));
        assert_eq!(events.try_recv(), Ok(event(0)));
        assert_eq!(std::iter::from_fn(|| events.try_recv().ok()).count(), BACKLOG - 1);
    }
}
