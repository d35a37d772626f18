//! What one peer fetches from us over one connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::limits::{MAX_CHANNELS, MAX_STATES};
use protocol::manifest::Manifest;
use protocol::peer::{BlockRef, Channel, PeerMessage};

use super::reader::LinkError;
use super::send_file::expect_soon;
use super::send_queue::{OutgoingBlock, SendQueue};
use super::uploads::{UploadGuard, Uploads};
use crate::library::{Library, OpenFile};

/// The contents that the other side has opened.
#[derive(Debug)]
pub(super) struct Serving {
    library: Library,
    uploads: Uploads,
    peer: SocketAddr,
    open: HashMap<Channel, Served>,
}

#[derive(Debug)]
struct Served {
    digest: Digest,
    file: Arc<OpenFile>,
    manifest: Arc<Manifest>,
    upload: Arc<UploadGuard>,
}

impl Serving {
    pub(super) fn new(library: Library, uploads: Uploads, peer: SocketAddr) -> Self {
        Self { library, uploads, peer, open: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Opens a content, or says that it is not shared here.
    pub(super) async fn open(
        &mut self,
        channel: Channel,
        digest: Digest,
        queue: &SendQueue,
    ) -> Result<(), LinkError> {
        if self.open.contains_key(&channel) {
            return Err(LinkError::Violation { what: "it opened a channel twice" });
        }
        if self.open.len() >= MAX_CHANNELS {
            return Err(LinkError::Violation { what: "it opened too many channels" });
        }
        let library = self.library.clone();
        let found = tokio::task::spawn_blocking(move || find(&library, &digest)).await.unwrap_or_default();
        let Some((file, manifest)) = found else {
            tracing::debug!(peer = %self.peer, %digest, "content asked for is not shared");
            queue.push(PeerMessage::NotShared { channel });
            return Ok(());
        };
        let name = self.library.files().by_digest(&digest).next().map(|file| file.path.as_str().to_owned());
        let upload = self.uploads.begin(self.peer, digest, name.unwrap_or_default(), file.size);
        tracing::info!(peer = %self.peer, %digest, "content opened by a peer");
        let (size, manifest_id) = (file.size, manifest.id());
        queue.push(PeerMessage::Offer { channel, size, manifest: manifest_id, pieces: None });
        let (file, upload) = (Arc::new(file), Arc::new(upload));
        self.open.insert(channel, Served { digest, file, manifest, upload });
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

    /// Queues a block. A range outside the content is refused before anything is read.
    pub(super) fn send_block(&self, reference: BlockRef, queue: &SendQueue) -> Result<(), LinkError> {
        let BlockRef { channel, piece, begin, length } = reference;
        let Some(served) = self.open.get(&channel) else {
            queue.push(PeerMessage::Reject(reference));
            return Ok(());
        };
        let geometry = served.manifest.geometry();
        let block = geometry.block(piece, begin, length)?;
        let offset = geometry.block_offset(block);
        expect_soon(&served.file.file, offset, u64::from(length));
        let (file, upload) = (Arc::clone(&served.file), Arc::clone(&served.upload));
        if !file.is_unchanged() {
            self.library.suspect(&served.digest);
        }
        if queue.push_block(OutgoingBlock { reference, file, offset, upload }) {
            Ok(())
        } else {
            Err(LinkError::Violation { what: "it asked for too many blocks at once" })
        }
    }

    /// Takes a block back. A request has one answer: if the block is on its way, that was it.
    pub(super) fn cancel(reference: BlockRef, queue: &SendQueue) {
        if queue.cancel(reference) {
            queue.push(PeerMessage::Reject(reference));
        }
    }

    /// Closes a channel and answers what was still asked for in it.
    pub(super) fn close(&mut self, channel: Channel, queue: &SendQueue) {
        self.open.remove(&channel);
        for reference in queue.cancel_channel(channel) {
            queue.push(PeerMessage::Reject(reference));
        }
    }
}

/// Opens a shared content and finds its manifest; reads from disk.
fn find(library: &Library, digest: &Digest) -> Option<(OpenFile, Arc<Manifest>)> {
    let file = library.open_file(digest).ok()?;
    let manifest = library.manifest(digest).ok()??;
    (manifest.geometry().size() == file.size).then_some((file, manifest))
}
