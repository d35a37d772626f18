//! The contents that one peer fetches from us over one link.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::features::PeerFeatures;
use protocol::limits::{MAX_CHANNELS, MAX_HITS, MAX_QUERY, MAX_REQUESTS, MAX_STATES};
use protocol::manifest::Manifest;
use protocol::peer::{BlockRef, ChannelId, PeerMessage};
use protocol::rate_limiter::{RateBucket, RateLimit};

use super::content::{self, FoundContent, ServedContent};
use super::link::PeerLink;
use super::peer_listing::ListingLimiter;
use super::peer_search::{self, PeerSearchAnswer};
use super::reader::LinkError;
use super::send_queue::{LinkPushOutcome, LinkSendQueue, OutgoingBlock};
use super::wrong_piece_reports::WrongPieceReports;
use crate::library::Library;
use crate::native::partials::Partials;
use crate::platform::prefetch;
use crate::transport::{SlotClaim, UploadGuard, Uploads};
use crate::view::ContentId;

/// Maximum rate of searches per direction of a link; further searches find nothing.
const SEARCH_RATE: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 50 };

/// The contents that the peer has open.
#[derive(Debug)]
pub(super) struct LinkServing {
    pub(super) context: ServingContext,
    claim: Arc<SlotClaim>,
    open: HashMap<ChannelId, ServedChannel>,
    /// Whether the peer has an upload slot or waits for one.
    is_claiming: bool,
    /// The searches of the peer, as far as they still count against its rate.
    recent_searches: RateBucket,
}

/// Sources of the served contents, and where uploads are recorded.
#[derive(Debug, Clone)]
pub(super) struct ServingContext {
    pub(super) library: Library,
    pub(super) partials: Partials,
    /// Whether the files may be searched and listed.
    pub(super) is_searchable: bool,
    pub(super) uploads: Uploads,
    pub(super) wrong_piece_reports: Arc<Mutex<WrongPieceReports>>,
    pub(super) listing_limiter: ListingLimiter,
}

#[derive(Debug)]
struct ServedChannel {
    digest: Digest,
    content: ServedContent,
    manifest: Arc<Manifest>,
    upload: Arc<UploadGuard>,
    is_interested: bool,
    /// Whether the peer has reported a wrong piece of this content.
    is_reported: bool,
    /// Number of requests rejected since the last choke, and the number of that choke.
    choked_requests: (u32, usize),
}

impl LinkServing {
    pub(super) fn new(context: ServingContext, claim: Arc<SlotClaim>) -> Self {
        Self {
            context,
            claim,
            open: HashMap::new(),
            is_claiming: false,
            recent_searches: RateBucket::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Answers a search.
    pub(super) async fn search(
        &mut self,
        (number, query, limit): (u32, String, u16),
        link: &PeerLink,
    ) -> Result<(), LinkError> {
        if query.len() > MAX_QUERY || limit == 0 || limit > MAX_HITS {
            return Err(LinkError::Violation { what: "it sent a search that exceeds the limits" });
        }
        let is_answered =
            self.context.is_searchable && self.recent_searches.try_take(SEARCH_RATE, Instant::now()).is_ok();
        let found = if is_answered {
            let context = self.context.clone();
            let any_names = link.features().contains(PeerFeatures::ANY_NAMES);
            let answering = move || peer_search::answer(&context, &query, limit, any_names);
            let found = tokio::task::spawn_blocking(answering).await;
            found.unwrap_or_default()
        } else {
            PeerSearchAnswer::default()
        };
        link.shared.queue.push(PeerMessage::Found { number, files: found.0, more: found.1 });
        Ok(())
    }

    /// Opens a content. Sends the offer and up to `states` of its first manifest states, or that the content is not shared.
    pub(super) async fn open(
        &mut self,
        channel: ChannelId,
        digest: Digest,
        states: u32,
        link: &PeerLink,
    ) -> Result<(), LinkError> {
        if self.open.contains_key(&channel) {
            return Err(LinkError::Violation { what: "it opened a channel twice" });
        }
        if self.open.len() >= MAX_CHANNELS {
            return Err(LinkError::Violation { what: "it opened too many channels" });
        }
        let (peer, queue) = (link.address(), &link.shared.queue);
        let context = self.context.clone();
        let found =
            tokio::task::spawn_blocking(move || content::find(&context.library, &context.partials, &digest))
                .await;
        let Ok(Some(found)) = found else {
            tracing::debug!(%peer, %digest, "requested content is not shared");
            queue.push(PeerMessage::NotShared { channel });
            return Ok(());
        };
        let FoundContent { content, manifest, manifest_id, name, details } = found;
        let size = manifest.geometry().size();
        let upload = Arc::new(self.context.uploads.begin(
            peer,
            ContentId::File(digest),
            name,
            size,
            queue.slot_status(),
        ));
        tracing::info!(%peer, %digest, "peer opened a content");
        queue.offer(channel, size, manifest_id, &content);
        if link.features().contains(PeerFeatures::DETAILS) && !details.is_empty() {
            queue.push(PeerMessage::Details { channel, files: details });
        }
        let first_states: Vec<[u8; 32]> = manifest
            .states()
            .iter()
            .take(states.min(MAX_STATES) as usize)
            .map(|state| state.to_bytes())
            .collect();
        if !first_states.is_empty() {
            queue.push(PeerMessage::ManifestPart { channel, first: 0, states: first_states });
        }
        if let ServedContent::Partial(partial) = &content {
            partial.peer_opened(link);
        }
        let served = ServedChannel {
            digest,
            content,
            manifest,
            upload,
            is_interested: true,
            is_reported: false,
            choked_requests: (0, 0),
        };
        self.open.insert(channel, served);
        self.update_claim();
        Ok(())
    }

    /// Sends states of a manifest.
    pub(super) fn send_states(
        &self,
        channel: ChannelId,
        first: u32,
        count: u32,
        queue: &LinkSendQueue,
    ) -> Result<(), LinkError> {
        let Some(served) = self.open.get(&channel) else {
            queue.push(PeerMessage::NotShared { channel });
            return Ok(());
        };
        let end = first.saturating_add(count.min(MAX_STATES)) as usize;
        let Some(states) = served.manifest.states().get(first as usize..end) else {
            return Err(LinkError::Violation { what: "it requested states beyond the manifest" });
        };
        let states = states.iter().map(|state| state.to_bytes()).collect();
        queue.push(PeerMessage::ManifestPart { channel, first, states });
        Ok(())
    }

    /// Queues a block or rejects the request. An invalid range is refused before anything is read.
    pub(super) async fn send_block(
        &mut self,
        reference: BlockRef,
        queue: &LinkSendQueue,
    ) -> Result<(), LinkError> {
        let BlockRef { channel, piece, begin, length } = reference;
        let Some(served) = self.open.get_mut(&channel) else {
            queue.push(PeerMessage::Reject(reference));
            return Ok(());
        };
        let geometry = served.manifest.geometry();
        let block = geometry.block(piece, begin, length)?;
        if served.content.is_download_over() && !served.switch_to_library(&self.context.library).await {
            queue.push(PeerMessage::Reject(reference));
            self.close(channel, queue);
            queue.push(PeerMessage::NotShared { channel });
            return Ok(());
        }
        if !served.content.has(block.piece) {
            queue.push(PeerMessage::Reject(reference));
            return Ok(());
        }
        if !served.content.is_valid() {
            self.context.library.recheck(&served.digest);
        }
        let offset = served.manifest.geometry().block_offset(block);
        let (content, upload) = (served.content.clone(), Arc::clone(&served.upload));
        match queue.push_block(OutgoingBlock { reference, content, offset, upload }) {
            LinkPushOutcome::Queued => {
                prefetch(served.content.file(), offset, u64::from(length));
                Ok(())
            }
            LinkPushOutcome::Choked { times } => served.count_choked_request(times),
            LinkPushOutcome::TooMany => {
                Err(LinkError::Violation { what: "it requested too many blocks at once" })
            }
        }
    }

    /// Cancels a request. Every request has one answer: if the block has been taken for sending, the block is the answer.
    pub(super) fn cancel(reference: BlockRef, queue: &LinkSendQueue) {
        if queue.cancel(reference) {
            queue.push(PeerMessage::Reject(reference));
        }
    }

    /// Records whether the peer is interested in a content.
    pub(super) fn set_interested(&mut self, channel: ChannelId, is_interested: bool) {
        if let Some(served) = self.open.get_mut(&channel) {
            served.is_interested = is_interested;
            self.update_claim();
        }
    }

    /// Records that the peer found a piece wrong. The file is hashed again after enough reports of different peers.
    pub(super) fn wrong_piece(
        &mut self,
        channel: ChannelId,
        piece: u32,
        from: IpAddr,
    ) -> Result<(), LinkError> {
        let Some(served) = self.open.get_mut(&channel) else { return Ok(()) };
        if served.manifest.geometry().piece(piece).is_none() {
            return Err(LinkError::Violation { what: "it reported a piece beyond the content" });
        }
        if std::mem::replace(&mut served.is_reported, true)
            || !matches!(served.content, ServedContent::Shared(_))
        {
            return Ok(());
        }
        let digest = served.digest;
        let is_enough = self.context.wrong_piece_reports.lock().report(digest, from, Instant::now());
        tracing::info!(%from, digest = digest.short(), piece, "peer reported a wrong piece of a shared file");
        if is_enough {
            tracing::warn!(
                digest = digest.short(),
                "several peers reported wrong pieces; hashing the file again"
            );
            self.context.library.verify(&digest);
        }
        Ok(())
    }

    /// Claims an upload slot while the peer is interested in any content.
    fn update_claim(&mut self) {
        let is_wanting = self.open.values().any(|served| served.is_interested);
        if std::mem::replace(&mut self.is_claiming, is_wanting) != is_wanting {
            self.claim.set_interested(is_wanting);
        }
    }

    /// Closes a channel and rejects its pending requests.
    pub(super) fn close(&mut self, channel: ChannelId, queue: &LinkSendQueue) {
        // Closing a channel that is not open must cost nothing, however often it happens.
        if self.open.remove(&channel).is_none() {
            return;
        }
        self.update_claim();
        for reference in queue.cancel_channel(channel) {
            queue.push(PeerMessage::Reject(reference));
        }
    }
}

impl ServedChannel {
    /// Switches to the library's file after the content's download has ended, so that changes of the file are noticed.
    /// Returns true if the library shares it.
    async fn switch_to_library(&mut self, library: &Library) -> bool {
        let (library, digest) = (library.clone(), self.digest);
        let found = tokio::task::spawn_blocking(move || content::find_shared(&library, &digest)).await;
        let found = found.ok().flatten();
        let is_shared = found.is_some();
        if let Some(found) = found {
            self.content = found.content;
        }
        is_shared
    }

    /// Counts a request that was rejected because of a choke. As many as may have crossed the choke are legitimate.
    fn count_choked_request(&mut self, chokes: u32) -> Result<(), LinkError> {
        let (behind, count) = self.choked_requests;
        let count = if behind == chokes { count + 1 } else { 1 };
        self.choked_requests = (chokes, count);
        if count > MAX_REQUESTS {
            return Err(LinkError::Violation { what: "it continues to request blocks while choked" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::state_dir::StateDir;
    use crate::transport::{AddressLimits, ChokeTarget, Slots};

    #[tokio::test]
    async fn closing_unopened_channels_is_free() {
        let home = tempfile::tempdir().unwrap();
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let state = Arc::new(StateDir::open(home.path()).unwrap());
        let library = Library::open(state, home.path().to_owned(), Vec::new(), &tracker, cancel.clone());
        let library = library.await.unwrap();
        let (partials, uploads) = (Partials::default(), Uploads::default());
        let context = ServingContext {
            library,
            partials,
            is_searchable: false,
            uploads,
            wrong_piece_reports: Arc::default(),
            listing_limiter: ListingLimiter::default(),
        };
        let queue = Arc::<LinkSendQueue>::default();
        let slots = Slots::new(1, AddressLimits::default());
        let claim = slots.claim(Arc::clone(&queue) as Arc<dyn ChokeTarget>, [127, 0, 0, 1].into());
        let mut serving = LinkServing::new(context, Arc::new(claim));
        (0..1000).for_each(|channel| serving.close(channel, &queue));
        assert_eq!(queue.follow_change_count(), 0);
        cancel.cancel();
        tracker.close();
        tracker.wait().await;
    }
}
