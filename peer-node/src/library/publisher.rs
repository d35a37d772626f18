use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::error::LibraryError;
use super::hashing::HashingProgress;
use super::inventory::Inventory;
use super::listing::{ShareListing, SharedFile};
use super::overview::ShareOverview;
use super::report::ShareReport;

/// How long listings rest, in times of what the last one cost to make: so that a thousand files hashed one after the other
/// do not cost a thousand listings of a thousand files.
const REST_FACTOR: u32 = 10;

/// The same while somebody waits.
const URGENT_REST_FACTOR: u32 = 2;

/// Where somebody waits for what came of a command.
pub(super) type ReplySender<T> = oneshot::Sender<Result<T, LibraryError>>;

/// An answer that is given when the listing shows what it says.
#[derive(Debug)]
pub(super) enum PendingReply {
    Report(ReplySender<ShareReport>, ShareReport),
    Adopted(ReplySender<SharedFile>, SharedFile),
}

/// Makes what the actor knows visible: listings, their generation, and progress.
#[derive(Debug)]
pub(super) struct Publisher {
    listing: watch::Sender<Arc<ShareListing>>,
    generation: watch::Sender<u64>,
    hashing: watch::Sender<HashingProgress>,
    overview: watch::Sender<Arc<ShareOverview>>,
    /// The revision of the inventory that the listing shows.
    published_revision: u64,
    last_published: Option<Instant>,
    last_cost: Duration,
    pending_replies: Vec<PendingReply>,
}

/// What others see of the actor.
#[derive(Debug, Clone)]
pub(super) struct LibraryView {
    pub(super) listing: watch::Receiver<Arc<ShareListing>>,
    pub(super) generation: watch::Receiver<u64>,
    pub(super) hashing: watch::Receiver<HashingProgress>,
    pub(super) overview: watch::Receiver<Arc<ShareOverview>>,
}

impl Publisher {
    /// Begins with an empty listing, generation 0 and nothing settled.
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
        let (shown, last, cost, answers) = (0, None, Duration::ZERO, Vec::new());
        (
            Self {
                listing,
                generation,
                hashing,
                overview,
                published_revision: shown,
                last_published: last,
                last_cost: cost,
                pending_replies: answers,
            },
            view,
        )
    }

    /// Gives an answer as soon as what it says is published.
    pub(super) fn reply_once_published(&mut self, answer: PendingReply) {
        self.pending_replies.push(answer);
    }

    /// Returns when there is something to publish; `None` if everything is published already. What somebody waits for,
    /// and what is the last for now, does not wait for `pause`.
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
        let is_hurried = is_last || !self.pending_replies.is_empty();
        let rest = if is_hurried {
            self.last_cost * URGENT_REST_FACTOR
        } else {
            pause.max(self.last_cost * REST_FACTOR)
        };
        Some(self.last_published.map_or(now, |last| last + rest))
    }

    /// Publishes the inventory as it is, and gives the answers that waited for it.
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
        for answer in self.pending_replies.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = match answer {
                PendingReply::Report(reply, report) => reply.send(Ok(report)).map_err(drop),
                PendingReply::Adopted(reply, file) => reply.send(Ok(file)).map_err(drop),
            };
        }
    }

    /// Says whether the listing shows the inventory as it is.
    pub(super) fn is_current(&self, inventory: &Inventory) -> bool {
        self.published_revision == inventory.revision()
    }

    /// Makes visible what is shared and what is left out.
    pub(super) fn publish_overview(&self, overview: ShareOverview) {
        self.overview.send_replace(Arc::new(overview));
    }

    /// Makes progress visible.
    pub(super) fn publish_progress(&self, hashing: HashingProgress) {
        self.hashing.send_if_modified(|shown| {
            let is_new = *shown != hashing;
            *shown = hashing;
            is_new
        });
    }
}
