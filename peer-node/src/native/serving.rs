//! What one peer fetches from us over one connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::features::PeerFeatures;
use protocol::limits::{MAX_CHANNELS, MAX_HITS, MAX_QUERY, MAX_REQUESTS, MAX_STATES};
use protocol::manifest::Manifest;
use protocol::peer::{BlockRef, Channel, PeerMessage};

use super::accusations::Accusations;
use super::content::{self, Content, Found};
use super::link::Link;
use super::reader::LinkError;
use super::searching::{self, Answered};
use super::send_queue::{OutgoingBlock, Pushed, SendQueue};
use crate::gate::Pace;
use crate::library::Library;
use crate::partials::Partials;
use crate::transfers::ContentId;
use crate::transport::{Claim, UploadGuard, Uploads, expect_soon};

/// How often one side of a connection may search; beyond that nothing is found.
const SEARCHES: Pace = Pace { each: Duration::from_millis(100), burst: 50 };

/// The contents that the other side has opened.
#[derive(Debug)]
pub(super) struct Serving {
    shop: Shop,
    claim: Arc<Claim>,
    open: HashMap<Channel, Served>,
    /// Whether the other side stands in the queue for a slot, or has one.
    is_claiming: bool,
    /// When the other side's budget of searches will be whole again.
    searches: Option<Instant>,
}

/// Where the contents come from, and where it is noted who fetches what.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub(super) library: Library,
    pub(super) partials: Partials,
    /// Whether searches are answered.
    pub(super) is_searchable: bool,
    pub(super) uploads: Uploads,
    pub(super) accusations: Arc<Mutex<Accusations>>,
}

#[derive(Debug)]
struct Served {
    digest: Digest,
    content: Content,
    manifest: Arc<Manifest>,
    upload: Arc<UploadGuard>,
    is_interested: bool,
    /// Whether the other side has reported a wrong piece of it.
    is_reported: bool,
    /// How many requests came in vain, and behind which choke.
    in_vain: (u32, usize),
}

impl Serving {
    pub(super) fn new(shop: Shop, claim: Arc<Claim>) -> Self {
        Self { shop, claim, open: HashMap::new(), is_claiming: false, searches: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Answers a search.
    pub(super) async fn search(
        &mut self,
        (number, query, limit): (u32, String, u16),
        link: &Link,
    ) -> Result<(), LinkError> {
        if query.len() > MAX_QUERY || limit == 0 || limit > MAX_HITS {
            return Err(LinkError::Violation { what: "it sent a search that is over the limits" });
        }
        let budget = SEARCHES.spend(self.searches, Instant::now());
        let found = if self.shop.is_searchable && budget.is_some() {
            self.searches = budget;
            let shop = self.shop.clone();
            let any_names = link.features().contains(PeerFeatures::ANY_NAMES);
            let answering = move || searching::answer(&shop, &query, limit, any_names);
            let found = tokio::task::spawn_blocking(answering).await;
            found.unwrap_or_default()
        } else {
            Answered::default()
        };
        link.shared.queue.push(PeerMessage::Found { number, files: found.0, more: found.1 });
        Ok(())
    }

    /// Opens a content and sends the offer, and up to `states` of the first states of its manifest, or that the content is not
    /// shared here.
    pub(super) async fn open(
        &mut self,
        channel: Channel,
        digest: Digest,
        states: u32,
        link: &Link,
    ) -> Result<(), LinkError> {
        if self.open.contains_key(&channel) {
            return Err(LinkError::Violation { what: "it opened a channel twice" });
        }
        if self.open.len() >= MAX_CHANNELS {
            return Err(LinkError::Violation { what: "it opened too many channels" });
        }
        let (peer, queue) = (link.address(), &link.shared.queue);
        let shop = self.shop.clone();
        let found =
            tokio::task::spawn_blocking(move || content::find(&shop.library, &shop.partials, &digest)).await;
        let Ok(Some(found)) = found else {
            tracing::debug!(%peer, %digest, "content asked for is not shared");
            queue.push(PeerMessage::NotShared { channel });
            return Ok(());
        };
        let Found { content, manifest, manifest_id, name, details } = found;
        let size = manifest.geometry().size();
        let upload =
            Arc::new(self.shop.uploads.begin(peer, ContentId::File(digest), name, size, queue.stand()));
        tracing::info!(%peer, %digest, "content opened by a peer");
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
        if let Content::Partial(partial) = &content {
            partial.visited(link);
        }
        let served = Served {
            digest,
            content,
            manifest,
            upload,
            is_interested: true,
            is_reported: false,
            in_vain: (0, 0),
        };
        self.open.insert(channel, served);
        self.settle();
        Ok(())
    }

    /// Sends states of a manifest.
    pub(super) fn send_states(
        &self,
        channel: Channel,
        first: u32,
        count: u32,
        queue: &SendQueue,
    ) -> Result<(), LinkError> {
        let Some(served) = self.open.get(&channel) else {
            queue.push(PeerMessage::NotShared { channel });
            return Ok(());
        };
        let end = first.saturating_add(count.min(MAX_STATES)) as usize;
        let Some(states) = served.manifest.states().get(first as usize..end) else {
            return Err(LinkError::Violation { what: "it asked for states that the manifest does not have" });
        };
        let states = states.iter().map(|state| state.to_bytes()).collect();
        queue.push(PeerMessage::ManifestPart { channel, first, states });
        Ok(())
    }

    /// Queues a block, or its rejection. A range outside the content is refused before anything is read.
    pub(super) async fn send_block(
        &mut self,
        reference: BlockRef,
        queue: &SendQueue,
    ) -> Result<(), LinkError> {
        let BlockRef { channel, piece, begin, length } = reference;
        let Some(served) = self.open.get_mut(&channel) else {
            queue.push(PeerMessage::Reject(reference));
            return Ok(());
        };
        let geometry = served.manifest.geometry();
        let block = geometry.block(piece, begin, length)?;
        if served.content.is_outdated() && !served.renew(&self.shop.library).await {
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
            self.shop.library.suspect(&served.digest);
        }
        let offset = served.manifest.geometry().block_offset(block);
        let (content, upload) = (served.content.clone(), Arc::clone(&served.upload));
        match queue.push_block(OutgoingBlock { reference, content, offset, upload }) {
            Pushed::Queued => {
                expect_soon(served.content.file(), offset, u64::from(length));
                Ok(())
            }
            Pushed::Choked { times } => served.asked_in_vain(times),
            Pushed::TooMany => Err(LinkError::Violation { what: "it asked for too many blocks at once" }),
        }
    }

    /// Takes a block back. A request has one answer: if the block is on its way, that was it.
    pub(super) fn cancel(reference: BlockRef, queue: &SendQueue) {
        if queue.cancel(reference) {
            queue.push(PeerMessage::Reject(reference));
        }
    }

    /// Notes whether the other side wants anything of a content.
    pub(super) fn interest(&mut self, channel: Channel, is_interested: bool) {
        if let Some(served) = self.open.get_mut(&channel) {
            served.is_interested = is_interested;
            self.settle();
        }
    }

    /// Counts that the other side has found a piece wrong; when enough others have as well, the file is hashed again.
    pub(super) fn wrong_piece(
        &mut self,
        channel: Channel,
        piece: u32,
        from: IpAddr,
    ) -> Result<(), LinkError> {
        let Some(served) = self.open.get_mut(&channel) else { return Ok(()) };
        if served.manifest.geometry().piece(piece).is_none() {
            return Err(LinkError::Violation { what: "it reported a piece that the content does not have" });
        }
        if std::mem::replace(&mut served.is_reported, true) || !matches!(served.content, Content::Shared(_)) {
            return Ok(());
        }
        let digest = served.digest;
        let is_enough = self.shop.accusations.lock().report(digest, from, Instant::now());
        tracing::info!(%from, digest = digest.short(), piece, "a peer reports a wrong piece of a shared file");
        if is_enough {
            tracing::warn!(
                digest = digest.short(),
                "several peers report wrong pieces; hashing the file again"
            );
            self.shop.library.verify(&digest);
        }
        Ok(())
    }

    /// Claims a slot for the other side as long as it wants anything.
    fn settle(&mut self) {
        let is_wanting = self.open.values().any(|served| served.is_interested);
        if std::mem::replace(&mut self.is_claiming, is_wanting) != is_wanting {
            self.claim.interested(is_wanting);
        }
    }

    /// Closes a channel and answers what was still asked for in it.
    pub(super) fn close(&mut self, channel: Channel, queue: &SendQueue) {
        // Of one that is not open nothing waits, and nothing is to be noted, however often it is closed.
        if self.open.remove(&channel).is_none() {
            return;
        }
        self.settle();
        for reference in queue.cancel_channel(channel) {
            queue.push(PeerMessage::Reject(reference));
        }
    }
}

impl Served {
    /// Goes on with the library's file now that the content's download is over, so that a change of it is found out. Says
    /// whether it is shared.
    async fn renew(&mut self, library: &Library) -> bool {
        let (library, digest) = (library.clone(), self.digest);
        let found = tokio::task::spawn_blocking(move || content::find_shared(&library, &digest)).await;
        let found = found.ok().flatten();
        let is_shared = found.is_some();
        if let Some(found) = found {
            self.content = found.content;
        }
        is_shared
    }

    /// Counts a request that came behind a choke: as many as may have crossed it are no offence.
    fn asked_in_vain(&mut self, chokes: u32) -> Result<(), LinkError> {
        let (behind, count) = self.in_vain;
        let count = if behind == chokes { count + 1 } else { 1 };
        self.in_vain = (chokes, count);
        if count > MAX_REQUESTS {
            return Err(LinkError::Violation { what: "it goes on asking although it is choked" });
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
    use crate::transport::{AddressLimits, Slots, Turn};

    #[tokio::test]
    async fn closing_what_is_not_open_costs_nothing_however_often() {
        let home = tempfile::tempdir().unwrap();
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let state = Arc::new(StateDir::open(home.path()).unwrap());
        let library = Library::open(state, home.path().to_owned(), Vec::new(), &tracker, cancel.clone());
        let library = library.await.unwrap();
        let (partials, uploads) = (Partials::default(), Uploads::default());
        let accusations = Arc::default();
        let shop = Shop { library, partials, is_searchable: false, uploads, accusations };
        let queue = Arc::<SendQueue>::default();
        let slots = Slots::new(1, AddressLimits::default());
        let claim = slots.claim(Arc::clone(&queue) as Arc<dyn Turn>, [127, 0, 0, 1].into());
        let mut serving = Serving::new(shop, Arc::new(claim));
        (0..1000).for_each(|channel| serving.close(channel, &queue));
        assert_eq!(queue.changes_waiting(), 0);
        cancel.cancel();
        tracker.close();
        tracker.wait().await;
    }
}
