//! What the connections of all dialects share: who is let in, who is served and how fast, sockets, buffers, what was asked of
//! a peer and what it has, and what is shown.
//!
//! A node has one [`Transport`]. It leaves alone what is said on a connection.

mod accept;
mod address_limits;
mod admission;
mod buffers;
mod congestion;
mod outstanding_requests;
mod peer_pieces;
mod refusals;
mod send_file;
mod slot_status;
mod slots;
mod tcp_options;
mod tuning;
mod uploads;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use accept::accept_all;
pub use address_limits::AddressLimits;
pub(crate) use address_limits::CONNECTIONS_PER_ADDRESS;
pub use admission::AdmissionPermit;
pub(crate) use admission::PeerAdmission;
pub use buffers::{Buffer, BufferPool};
pub(crate) use outstanding_requests::{AnswerKind, OutstandingRequests, RequestStep};
pub(crate) use peer_pieces::PeerPieces;
pub(crate) use refusals::{log_expected_refusal, log_refusal};
pub(crate) use send_file::{MAX_SEND, prefetch, send_some};
pub(crate) use slot_status::SlotStatus;
pub(crate) use slots::{ChokeTarget, SlotClaim, Slots};
pub(crate) use tuning::{PathGauge, SocketTuner, shrink_receive_buffer};
pub(crate) use uploads::UploadGuard;
pub use uploads::{TransferTotals, Uploads};

use crate::source_address::SourceAddress;
use crate::throttle::Throttle;

/// Of the sizes that the engine's budget allows, so many buffers are kept when no block needs them.
const SPARE_BUFFERS: usize = 64;

/// How a node's connections are bounded.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// How many peers are served at once, besides one in turn.
    pub upload_slots: usize,
    /// How many connections there may be, whoever opens them.
    pub max_connections: usize,
    /// What the connections of one address may have together.
    pub per_address: AddressLimits,
    /// How fast content is sent.
    pub upload: Throttle,
    /// How fast content is received.
    pub download: Throttle,
    /// Where connections to others come from.
    pub source_address: SourceAddress,
}

/// What a node's connections share; cheap to clone.
#[derive(Debug, Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    upload: Throttle,
    download: Throttle,
    source_address: SourceAddress,
    admission: PeerAdmission,
    slots: Slots,
    buffers: BufferPool,
    uploads: Uploads,
}

impl Transport {
    /// Makes what a node's connections share. The task that gives the slots away is the tracker's, and ends with the token.
    /// Must be called inside a runtime.
    pub fn new(config: TransportConfig, tracker: &TaskTracker, cancel: CancellationToken) -> Self {
        let slots = Slots::new(config.upload_slots, config.per_address);
        tracker.spawn(slots.clone().run(cancel));
        let inner = Inner {
            upload: config.upload,
            download: config.download,
            source_address: config.source_address,
            admission: PeerAdmission::new(config.max_connections, config.per_address),
            slots,
            buffers: BufferPool::new(SPARE_BUFFERS),
            uploads: Uploads::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the limit on what is sent, which may be changed at any time.
    pub fn upload_limit(&self) -> &Throttle {
        &self.inner.upload
    }

    /// Returns the limit on what is received, which may be changed at any time.
    pub fn download_limit(&self) -> &Throttle {
        &self.inner.download
    }

    /// Returns the buffers that blocks are read into.
    pub fn buffers(&self) -> &BufferPool {
        &self.inner.buffers
    }

    /// Returns what is going out.
    pub fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// Changes how many peers are served at once.
    pub fn set_upload_slots(&self, slots: usize) {
        self.inner.slots.set_slots(slots);
    }

    /// Returns where connections to others come from.
    pub(crate) fn source_address(&self) -> SourceAddress {
        self.inner.source_address
    }

    /// Returns who may connect.
    pub(crate) fn admission(&self) -> &PeerAdmission {
        &self.inner.admission
    }

    /// Returns who is served.
    pub(crate) fn slots(&self) -> &Slots {
        &self.inner.slots
    }
}
