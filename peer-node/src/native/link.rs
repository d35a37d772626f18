use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::digest::Digest;
use protocol::features::PeerFeatures;
use protocol::geometry::{Block, PieceIndex};
use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, ChannelId, PeerMessage};
use protocol::preamble::Version;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::fetching::{FIRST_CHANNEL, FetchTable, SourceEvent};
use super::further_writers::FurtherNumbers;
use super::greeting::GreetedPeer;
use super::link_width::LinkWidth;
use super::peer_search::{PeerSearchAnswer, SearchTable};
use super::send_activity::SendActivity;
use super::send_queue::LinkSendQueue;
use crate::transport::PathGauge;
use swarm::SourceId;

/// The link to another peer, one or several connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct PeerLink {
    pub(super) shared: Arc<PeerLinkState>,
}

/// What the tasks of a connection and its users share.
#[derive(Debug)]
pub(super) struct PeerLinkState {
    pub(super) node: NodeId,
    pub(super) version: Version,
    /// What the other side announced in its greeting; nothing in version 1.
    pub(super) features: PeerFeatures,
    /// Where the other side accepts connections.
    pub(super) address: SocketAddr,
    pub(super) queue: Arc<LinkSendQueue>,
    pub(super) fetches: FetchTable,
    pub(super) searches: SearchTable,
    pub(super) path: Arc<PathGauge>,
    /// What goes out over all connections of the link.
    pub(super) send_activity: SendActivity,
    /// How many connections we want for what we send, as [`link_width`](super::width) decides.
    pub(super) width: watch::Sender<LinkWidth>,
    /// The further connections over which we send, by number.
    pub(super) further_out: FurtherNumbers,
    /// How many further connections the other side sends over.
    pub(super) further_in: AtomicUsize,
    pub(super) closed: CancellationToken,
}

impl PeerLink {
    pub(super) fn new(greeted: &GreetedPeer, address: SocketAddr, closed: CancellationToken) -> Self {
        let state = PeerLinkState {
            node: greeted.node,
            version: greeted.version,
            features: greeted.features,
            address,
            queue: Arc::new(LinkSendQueue::new(greeted.features)),
            fetches: FetchTable::default(),
            searches: SearchTable::default(),
            path: Arc::default(),
            send_activity: SendActivity::default(),
            width: watch::Sender::new(LinkWidth::ONE),
            further_out: FurtherNumbers::default(),
            further_in: AtomicUsize::new(0),
            closed,
        };
        Self { shared: Arc::new(state) }
    }

    /// Returns who is at the other end.
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Returns the optional features that the other side understands.
    pub fn features(&self) -> PeerFeatures {
        self.shared.features
    }

    /// Returns where the other side accepts connections.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns the round-trip time of the path, if it is known.
    pub fn rtt(&self) -> Option<Duration> {
        self.shared.path.rtt()
    }

    /// Returns how many connections the other side sends over.
    pub fn connections(&self) -> usize {
        1 + self.shared.further_in.load(Ordering::Relaxed)
    }

    /// Says whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }

    /// Asks the other side, which must be one that answers, for files whose names match; nothing if the connection ends or too
    /// many are under way. It waits as long as the other side takes. Cancel safe.
    pub(crate) async fn search(&self, query: &str, limit: u16) -> Option<PeerSearchAnswer> {
        let (number, answered) = self.shared.searches.begin(limit)?;
        self.shared.queue.push(PeerMessage::Search { number, query: query.to_owned(), limit });
        self.shared.closed.run_until_cancelled(answered).await?.ok()
    }

    /// Asks the other side for a content, or notes that it was asked along with our greeting. The events begin with
    /// [`SourceEvent::Opened`]. Returns false if the connection is over already. Cancel safe.
    pub(super) async fn request_content(&self, request: &ContentRequest, was_sent: bool) -> bool {
        let ContentRequest { source, events, states, .. } = request;
        let Some(channel) = self.shared.fetches.open(*source, events.clone()) else { return false };
        debug_assert!(!was_sent || channel == FIRST_CHANNEL, "the greeting goes before everything else");
        let version = self.shared.version;
        let with_manifest = *states > 0 && version > Version::One;
        let opened =
            SourceEvent::Opened { channel: FetchChannel { link: self.clone(), channel }, with_manifest };
        // Before anything can be answered. If nobody waits for the content any more, the channel is closed again.
        let is_wanted = events.send((*source, opened)).await.is_ok();
        if is_wanted && !was_sent {
            self.shared.queue.push(request.message(channel, version));
        }
        true
    }

    /// Asks the other side for a content. What it says comes to `events` under the number `source`, the last of it being
    /// [`SourceEvent::NotShared`] or [`SourceEvent::Disconnected`]. Nothing is returned if the connection is over already.
    pub fn open(
        &self,
        digest: Digest,
        source: SourceId,
        events: mpsc::Sender<(SourceId, SourceEvent)>,
    ) -> Option<FetchChannel> {
        let channel = self.shared.fetches.open(source, events)?;
        self.shared.queue.push(PeerMessage::Open { channel, digest });
        Some(FetchChannel { link: self.clone(), channel })
    }
}

/// A content that a peer is asked for.
#[derive(Debug)]
pub(crate) struct ContentRequest {
    pub(crate) digest: Digest,
    /// The number under which events come.
    pub(crate) source: SourceId,
    pub(crate) events: mpsc::Sender<(SourceId, SourceEvent)>,
    /// How many states of the manifest are to come with the offer, if the peer speaks version 2.
    pub(crate) states: u32,
}

impl ContentRequest {
    pub(super) const fn message(&self, channel: ChannelId, version: Version) -> PeerMessage {
        let Self { digest, states, .. } = self;
        match version {
            Version::One => PeerMessage::Open { channel, digest: *digest },
            Version::Two => PeerMessage::OpenWithManifest { channel, digest: *digest, states: *states },
        }
    }
}

/// A content that is fetched over a link; dropped, it tells the other side that it is of no more use.
#[derive(Debug)]
pub struct FetchChannel {
    link: PeerLink,
    channel: ChannelId,
}

impl FetchChannel {
    /// Returns the connection.
    pub const fn link(&self) -> &PeerLink {
        &self.link
    }

    /// Asks for states of the manifest.
    pub fn want_manifest(&self, first: u32, count: u32) {
        self.link.shared.queue.push(PeerMessage::WantManifest { channel: self.channel, first, count });
    }

    /// Asks for a block.
    pub fn request(&self, block: Block) {
        let reference = self.reference(block);
        self.link.shared.fetches.requested(reference);
        self.link.shared.queue.push(PeerMessage::Request(reference));
    }

    /// Reports that a piece whose blocks all came from the other side was wrong, if that side understands it.
    pub fn report_wrong(&self, piece: PieceIndex) {
        if self.link.features().contains(PeerFeatures::WRONG_PIECES) {
            let (channel, piece) = (self.channel, piece.get());
            self.link.shared.queue.push(PeerMessage::WrongPiece { channel, piece });
        }
    }

    /// Says that a block is no longer wanted; its answer comes all the same.
    pub fn cancel(&self, block: Block) {
        self.link.shared.queue.push(PeerMessage::Cancel(self.reference(block)));
    }

    /// Says whether the other side has anything that is still wanted; so it is taken to be at first. Who wants nothing does
    /// not stand in the queue of those who want to be served.
    pub fn set_interested(&self, is_interested: bool) {
        let channel = self.channel;
        self.link.shared.queue.push(if is_interested {
            PeerMessage::Interested { channel }
        } else {
            PeerMessage::NotInterested { channel }
        });
    }

    const fn reference(&self, block: Block) -> BlockRef {
        let Block { piece, begin, length } = block;
        BlockRef { channel: self.channel, piece: piece.get(), begin, length }
    }
}

impl Drop for FetchChannel {
    fn drop(&mut self) {
        self.link.shared.fetches.close(self.channel);
        self.link.shared.queue.push(PeerMessage::Close { channel: self.channel });
    }
}
