use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::slot_status::SlotStatus;
use crate::view::{ContentId, UploadView};
use swarm::RateMeter;

/// Bytes sent and received since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TransferTotals {
    /// Content sent to peers.
    pub sent: u64,
    /// Content received from peers.
    pub received: u64,
    /// Connected peers.
    pub peers: usize,
}

/// The contents that peers are fetching from this node, for display.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<ActiveUpload>>>,
}

/// One content that a peer has opened. Dropping it removes the content from the list.
#[derive(Debug)]
pub(crate) struct UploadGuard {
    number: u64,
    upload: Arc<ActiveUpload>,
    uploads: Uploads,
}

#[derive(Debug)]
struct ActiveUpload {
    peer: SocketAddr,
    content: ContentId,
    name: String,
    size: u64,
    slot_status: Arc<SlotStatus>,
    traffic: Mutex<(u64, RateMeter)>,
}

impl Uploads {
    /// Returns the uploads, oldest first. Omits contents of which no block has been requested yet.
    pub(crate) fn views(&self) -> Vec<UploadView> {
        let now = Instant::now();
        let open: Vec<Arc<ActiveUpload>> = self.inner.open.lock().values().cloned().collect();
        open.iter().map(|upload| upload.view(now)).filter(UploadView::is_notable).collect()
    }

    /// Returns the totals, together with the given number of peers.
    pub(crate) fn totals(&self, peers: usize) -> TransferTotals {
        let (sent, received) = (&self.inner.sent, &self.inner.received);
        TransferTotals {
            sent: sent.load(Ordering::Relaxed),
            received: received.load(Ordering::Relaxed),
            peers,
        }
    }

    /// Returns the upload rate of a content to all peers together, in bytes per second.
    pub(crate) fn rate_of(&self, content: ContentId) -> f64 {
        self.views().iter().filter(|view| view.content == content).map(|view| view.rate).sum()
    }

    pub(crate) fn add_received(&self, bytes: u64) {
        self.inner.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn begin(
        &self,
        peer: SocketAddr,
        content: ContentId,
        name: String,
        size: u64,
        slot_status: &Arc<SlotStatus>,
    ) -> UploadGuard {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let traffic = Mutex::new((0, RateMeter::new(Instant::now())));
        let upload = Arc::new(ActiveUpload {
            peer,
            content,
            name,
            size,
            slot_status: Arc::clone(slot_status),
            traffic,
        });
        self.inner.open.lock().insert(number, Arc::clone(&upload));
        UploadGuard { number, upload, uploads: self.clone() }
    }
}

impl ActiveUpload {
    fn view(&self, now: Instant) -> UploadView {
        let (sent, rate) = {
            let traffic = self.traffic.lock();
            (traffic.0, traffic.1.rate(now))
        };
        UploadView {
            peer: self.peer,
            content: self.content,
            name: self.name.clone(),
            size: self.size,
            sent,
            rate,
            queue_position: self.slot_status.position(),
        }
    }
}

impl UploadGuard {
    /// Counts sent bytes.
    pub(crate) fn add_sent(&self, bytes: u64) {
        let mut traffic = self.upload.traffic.lock();
        traffic.0 += bytes;
        traffic.1.add(bytes, Instant::now());
        drop(traffic);
        self.uploads.inner.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        self.uploads.inner.open.lock().remove(&self.number);
        let sent = self.upload.traffic.lock().0;
        if sent > 0 {
            tracing::info!(peer = %self.upload.peer, content = %self.upload.content, sent, "upload ended");
        }
    }
}
