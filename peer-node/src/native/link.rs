use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
use super::peer_listing::ListingTable;
use super::peer_search::{PeerSearchAnswer, SearchTable};
use super::send_activity::SendActivity;
use super::send_queue::LinkSendQueue;
use crate::transport::PathGauge;
use swarm::SourceId;

/// A link to another peer, over one or several connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PeerLink {
    pub(super) shared: Arc<PeerLinkState>,
}

/// State that a link's tasks and users share.
#[derive(Debug)]
pub(super) struct PeerLinkState {
    pub(super) node: NodeId,
    pub(super) version: Version,
    /// Features that the peer announced in its greeting; empty in version 1.
    pub(super) features: PeerFeatures,
    /// Address at which the peer accepts connections.
    pub(super) address: SocketAddr,
    pub(super) queue: Arc<LinkSendQueue>,
    pub(super) fetches: FetchTable,
    pub(super) pending_searches: SearchTable,
    pub(super) pending_listings: ListingTable,
    pub(super) path: Arc<PathGauge>,
    /// Counts the data sent over all connections.
    pub(super) send_activity: SendActivity,
    /// Number of connections to send over, as [`link_width`](super::link_width) decides.
    pub(super) width: watch::Sender<LinkWidth>,
    /// The further connections over which we send, by number.
    pub(super) further_out: FurtherNumbers,
    /// Number of further connections over which the peer sends.
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
            pending_searches: SearchTable::default(),
            pending_listings: ListingTable::default(),
            path: Arc::default(),
            send_activity: SendActivity::default(),
            width: watch::Sender::new(LinkWidth::ONE),
            further_out: FurtherNumbers::default(),
            further_in: AtomicUsize::new(0),
            closed,
        };
        Self { shared: Arc::new(state) }
    }

    /// Returns the id of the peer.
    pub(crate) fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Returns the optional features that the peer supports.
    pub(crate) fn features(&self) -> PeerFeatures {
        self.shared.features
    }

    /// Returns the address at which the peer accepts connections.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns the round-trip time of the path, if known.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.shared.path.rtt()
    }

    /// Returns the number of connections over which the peer sends.
    pub(crate) fn connections(&self) -> usize {
        1 + self.shared.further_in.load(Ordering::Relaxed)
    }

    /// Returns true if the link has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }

    /// Waits until a search stays within the rate that the peer answers. Returns false if that takes too long. Cancel safe.
    pub(crate) async fn wait_for_search_rate(&self) -> bool {
        let Some(wait) = self.shared.pending_searches.reserve(Instant::now()) else { return false };
        tokio::time::sleep(wait).await;
        true
    }

    /// Searches the peer, which must support searches, for files with matching names. Returns `None` if the link ends or too
    /// many searches are pending. Callers wait for [`PeerLink::wait_for_search_rate`] first. Has no timeout. Cancel safe.
    pub(crate) async fn search(&self, query: &str, limit: u16) -> Option<PeerSearchAnswer> {
        let (number, answered) = self.shared.pending_searches.begin(limit)?;
        self.shared.queue.push(PeerMessage::Search { number, query: query.to_owned(), limit });
        self.shared.closed.run_until_cancelled(answered).await?.ok()
    }

    /// Requests a content, or registers the request that was sent along with our greeting. The events start with
    /// [`SourceEvent::Opened`]. Returns false if the link has already ended. Cancel safe.
    pub(super) async fn request_content(&self, request: &ContentRequest, was_sent: bool) -> bool {
        let ContentRequest { source, events, states, .. } = request;
        let Some(channel) = self.shared.fetches.open(*source, events.clone()) else { return false };
        debug_assert!(!was_sent || channel == FIRST_CHANNEL, "the greeting goes before everything else");
        let version = self.shared.version;
        let with_manifest = *states > 0 && version > Version::One;
        let opened =
            SourceEvent::Opened { channel: FetchChannel { link: self.clone(), channel }, with_manifest };
        // The receiver gets the channel before any answer. If it has been dropped, dropping the channel closes it again.
        let is_wanted = events.send((*source, opened)).await.is_ok();
        if is_wanted && !was_sent {
            self.shared.queue.push(request.message(channel, version));
        }
        true
    }

    /// Requests a content. Events arrive at `events`, tagged with `source`; the last is [`SourceEvent::NotShared`] or
    /// [`SourceEvent::Disconnected`]. Returns `None` if the link has already ended.
    pub(crate) fn open(
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

/// A request for a content.
#[derive(Debug)]
pub(crate) struct ContentRequest {
    pub(crate) digest: Digest,
    /// Tag of the events.
    pub(crate) source: SourceId,
    pub(crate) events: mpsc::Sender<(SourceId, SourceEvent)>,
    /// Number of manifest states to request along with the content. Requires version 2.
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

/// A content that is fetched over a link. When this is dropped, the channel is closed on both sides.
#[derive(Debug)]
pub(crate) struct FetchChannel {
    link: PeerLink,
    channel: ChannelId,
}

impl FetchChannel {
    /// Returns the link.
    pub(crate) const fn link(&self) -> &PeerLink {
        &self.link
    }

    /// Requests manifest states.
    pub(crate) fn want_manifest(&self, first: u32, count: u32) {
        self.link.shared.queue.push(PeerMessage::WantManifest { channel: self.channel, first, count });
    }

    /// Requests a block.
    pub(crate) fn request(&self, block: Block) {
        let reference = self.reference(block);
        self.link.shared.fetches.requested(reference);
        self.link.shared.queue.push(PeerMessage::Request(reference));
    }

    /// Reports a wrong piece whose blocks all came from this peer, if the peer supports such reports.
    pub(crate) fn report_wrong(&self, piece: PieceIndex) {
        if self.link.features().contains(PeerFeatures::WRONG_PIECES) {
            let (channel, piece) = (self.channel, piece.get());
            self.link.shared.queue.push(PeerMessage::WrongPiece { channel, piece });
        }
    }

    /// Cancels a request. The peer still answers it.
    pub(crate) fn cancel(&self, block: Block) {
        self.link.shared.queue.push(PeerMessage::Cancel(self.reference(block)));
    }

    /// Sets whether we want anything that the peer has; initially true. Without interest we do not wait in the peer's queue.
    pub(crate) fn set_interested(&self, is_interested: bool) {
        let channel = self.channel;
        self.link.shared.queue.push(if is_interested {
            PeerMessage::Interested { channel }
        } else {
            PeerMessage::NotInterested { channel }
        });
    }

    const fn reference(&self, block: Block) -> BlockRef {
        let Block { piece, begin, length, .. } = block;
        BlockRef { channel: self.channel, piece: piece.get(), begin, length }
    }
}

impl Drop for FetchChannel {
    fn drop(&mut self) {
        self.link.shared.fetches.close(self.channel);
        self.link.shared.queue.push(PeerMessage::Close { channel: self.channel });
    }
}
