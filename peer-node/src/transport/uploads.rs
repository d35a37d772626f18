use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::stand::Stand;
use crate::swarm::RateMeter;
use crate::transfers::{ContentId, UploadView};

/// What the node has sent and received since it was started, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Content sent to peers.
    pub sent: u64,
    /// Content received from peers.
    pub received: u64,
    /// Peers that are connected.
    pub peers: usize,
}

/// The contents that peers are fetching from this node, for people to see.
#[derive(Debug, Clone, Default)]
pub struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Upload>>>,
}

/// One content that one peer has opened; it disappears from the list when it is dropped.
#[derive(Debug)]
pub(crate) struct UploadGuard {
    number: u64,
    upload: Arc<Upload>,
    uploads: Uploads,
}

#[derive(Debug)]
struct Upload {
    peer: SocketAddr,
    content: ContentId,
    name: String,
    size: u64,
    stand: Arc<Stand>,
    flow: Mutex<(u64, RateMeter)>,
}

impl Uploads {
    /// Returns what is going out, the oldest first; contents of which nothing was asked yet
    /// are left out.
    pub fn views(&self) -> Vec<UploadView> {
        let now = Instant::now();
        let open: Vec<Arc<Upload>> = self.inner.open.lock().values().cloned().collect();
        open.iter().map(|upload| upload.view(now)).filter(UploadView::is_notable).collect()
    }

    /// Returns the bytes sent and received so far.
    pub fn totals(&self, peers: usize) -> Totals {
        let (sent, received) = (&self.inner.sent, &self.inner.received);
        Totals { sent: sent.load(Ordering::Relaxed), received: received.load(Ordering::Relaxed), peers }
    }

    /// Returns the rate at which a content goes out to all peers together, in bytes per second.
    pub fn rate_of(&self, content: ContentId) -> f64 {
        self.views().iter().filter(|view| view.content == content).map(|view| view.rate).sum()
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.inner.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn begin(
        &self,
        peer: SocketAddr,
        content: ContentId,
        name: String,
        size: u64,
        stand: &Arc<Stand>,
    ) -> UploadGuard {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let flow = Mutex::new((0, RateMeter::new(Instant::now())));
        let upload = Arc::new(Upload { peer, content, name, size, stand: Arc::clone(stand), flow });
        self.inner.open.lock().insert(number, Arc::clone(&upload));
        UploadGuard { number, upload, uploads: self.clone() }
    }
}

impl Upload {
    fn view(&self, now: Instant) -> UploadView {
        let (sent, rate) = {
            let flow = self.flow.lock();
            (flow.0, flow.1.rate(now))
        };
        UploadView {
            peer: self.peer,
            content: self.content,
            name: self.name.clone(),
            size: self.size,
            sent,
            rate,
            place: self.stand.place(),
        }
    }
}

impl UploadGuard {
    /// Counts bytes that were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        let mut flow = self.upload.flow.lock();
        flow.0 += bytes;
        flow.1.add(bytes, Instant::now());
        drop(flow);
        self.uploads.inner.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        self.uploads.inner.open.lock().remove(&self.number);
        let sent = self.upload.flow.lock().0;
        if sent > 0 {
            tracing::info!(peer = %self.upload.peer, content = %self.upload.content, sent, "upload ended");
        }
    }
}
