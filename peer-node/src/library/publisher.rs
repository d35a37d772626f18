use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::error::LibraryError;
use super::hashing::HashingProgress;
use super::inventory::Inventory;
use super::listing::{ShareListing, SharedFile};
use super::overview::ShareOverview;
use super::report::ShareReport;

/// Pause between listings, as a multiple of the cost of the last one. Without it, hashing a thousand files one after
/// another would publish a thousand listings, and copy a part of the list for each.
const REST_FACTOR: u32 = 10;

/// The same factor while a caller waits.
const URGENT_REST_FACTOR: u32 = 2;

/// The sender of a command's reply.
pub(super) type ReplySender<T> = oneshot::Sender<Result<T, LibraryError>>;

/// A reply that is sent once the listing contains its files.
#[derive(Debug)]
pub(super) enum PendingReply {
    Report(ReplySender<ShareReport>, ShareReport),
    Adopted(ReplySender<SharedFile>, SharedFile),
}

/// Publishes the actor's state: listings, their generation, and progress.
#[derive(Debug)]
pub(super) struct Publisher {
    listing: watch::Sender<Arc<ShareListing>>,
    generation: watch::Sender<u64>,
    hashing: watch::Sender<HashingProgress>,
    overview: watch::Sender<Arc<ShareOverview>>,
    /// The inventory revision of the published listing.
    published_revision: u64,
    last_published: Option<Instant>,
    last_cost: Duration,
    pending_replies: Vec<PendingReply>,
}

/// The receivers of what a [`Publisher`] publishes.
#[derive(Debug, Clone)]
pub(super) struct LibraryView {
    pub(super) listing: watch::Receiver<Arc<ShareListing>>,
    pub(super) generation: watch::Receiver<u64>,
    pub(super) hashing: watch::Receiver<HashingProgress>,
    pub(super) overview: watch::Receiver<Arc<ShareOverview>>,
}

impl Publisher {
    /// Creates a publisher with an empty listing of generation 0.
    pub(super) fn new() -> (Self, LibraryView) {
        let (listing, listing_view) = watch::channel(Arc::default());
        let (generation, generation_view) = watch::channel(0);
        let (hashing, hashing_view) = watch::channel(HashingProgress::default());
        let (overview, overview_view) = watch::channel(Arc::default());
        let view = LibraryView {
            listing: listing_view,
            generation: generation_view,
            hashing: hashing_view,
            overview: overview_view,
        };
        (
            Self {
                listing,
                generation,
                hashing,
                overview,
                published_revision: 0,
                last_published: None,
                last_cost: Duration::ZERO,
                pending_replies: Vec::new(),
            },
            view,
        )
    }

    /// Sends a reply as soon as its files are published.
    pub(super) fn reply_once_published(&mut self, reply: PendingReply) {
        self.pending_replies.push(reply);
    }

    /// Returns when to publish next; `None` if everything is published. Neither a waiting caller nor the last change before the
    /// actor is idle has to wait for `pause`.
    pub(super) fn due(
        &self,
        inventory: &Inventory,
        is_last: bool,
        pause: Duration,
        now: Instant,
    ) -> Option<Instant> {
        if self.is_current(inventory) {
            return (!self.pending_replies.is_empty()).then_some(now);
        }
        // Rest in proportion to the cost of the last listing.
        let is_urgent = is_last || !self.pending_replies.is_empty();
        let delay = if is_urgent {
            self.last_cost * URGENT_REST_FACTOR
        } else {
            pause.max(self.last_cost * REST_FACTOR)
        };
        Some(self.last_published.map_or(now, |last| last + delay))
    }

    /// Publishes the current inventory and sends the replies that waited for it.
    pub(super) fn publish(&mut self, inventory: &Inventory) {
        if !self.is_current(inventory) {
            let began = Instant::now();
            self.listing.send_replace(Arc::new(inventory.listing()));
            self.generation.send_modify(|generation| *generation += 1);
            self.published_revision = inventory.revision();
            let now = Instant::now();
            self.last_cost = now.saturating_duration_since(began);
            self.last_published = Some(now);
        }
        for pending in self.pending_replies.drain(..) {
            // The caller may have stopped waiting.
            let _ = match pending {
                PendingReply::Report(reply, report) => reply.send(Ok(report)).map_err(drop),
                PendingReply::Adopted(reply, file) => reply.send(Ok(file)).map_err(drop),
            };
        }
    }

    /// Returns true if the published listing is that of the current inventory.
    pub(super) fn is_current(&self, inventory: &Inventory) -> bool {
        self.published_revision == inventory.revision()
    }

    /// Publishes the overview.
    pub(super) fn publish_overview(&self, overview: ShareOverview) {
        self.overview.send_replace(Arc::new(overview));
    }

    /// Publishes the hashing progress.
    pub(super) fn publish_progress(&self, hashing: HashingProgress) {
        self.hashing.send_if_modified(|shown| {
            let is_new = *shown != hashing;
            *shown = hashing;
            is_new
        });
    }
}
