//! Resources that the connections of all dialects share: admission, upload slots, rate limits, socket tuning, buffers,
//! request and piece bookkeeping, and upload statistics.
//!
//! A node has one [`Transport`]. It does not know what is sent on a connection.

mod accept;
mod address_counts;
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
mod stream;
mod tuning;
mod uploads;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use accept::accept_all;
pub(crate) use address_counts::AddressCounts;
pub(crate) use address_limits::AddressLimits;
pub(crate) use address_limits::CONNECTIONS_PER_ADDRESS;
pub(crate) use admission::AdmissionPermit;
pub(crate) use admission::PeerAdmission;
pub(crate) use buffers::{Buffer, BufferPool};
pub(crate) use outstanding_requests::{AnswerKind, OutstandingRequests, RequestStep};
pub(crate) use peer_pieces::PeerPieces;
pub(crate) use refusals::{log_expected_refusal, log_refusal};
pub(crate) use send_file::MAX_SEND;
pub(crate) use slot_status::SlotStatus;
pub(crate) use slots::{ChokeTarget, SlotClaim, Slots};
pub(crate) use stream::{PeerReadHalf, PeerStream, PeerWriteHalf};
pub(crate) use tuning::{PathGauge, detect_dead_peer};
pub(crate) use uploads::UploadGuard;
pub(crate) use uploads::{TransferTotals, Uploads};

use crate::source_address::SourceAddress;
use crate::throttle::Throttle;

/// Number of unused block buffers that are kept for reuse.
const SPARE_BUFFERS: usize = 64;

/// Limits of a node's connections.
#[derive(Debug, Clone)]
pub(crate) struct TransportConfig {
    /// Number of peers served at once, besides the optimistic slot.
    pub upload_slots: usize,
    /// Maximum number of connections, incoming and outgoing together.
    pub max_connections: usize,
    /// Limits of each address.
    pub per_address: AddressLimits,
    /// Upload rate limit.
    pub upload: Throttle,
    /// Download rate limit.
    pub download: Throttle,
    /// Source address of outgoing connections.
    pub source_address: SourceAddress,
}

/// The shared resources of a node's connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
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
    /// Creates the shared resources. Spawns the task that assigns upload slots; it ends with the token. Must be called
    /// within a runtime.
    pub(crate) fn new(config: TransportConfig, tracker: &TaskTracker, cancel: CancellationToken) -> Self {
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

    /// Returns the upload limit, which may be changed at any time.
    pub(crate) fn upload_limit(&self) -> &Throttle {
        &self.inner.upload
    }

    /// Returns the download limit, which may be changed at any time.
    pub(crate) fn download_limit(&self) -> &Throttle {
        &self.inner.download
    }

    /// Returns the pool of block buffers.
    pub(crate) fn buffers(&self) -> &BufferPool {
        &self.inner.buffers
    }

    /// Returns the active uploads.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// Returns the source address of outgoing connections.
    pub(crate) fn source_address(&self) -> SourceAddress {
        self.inner.source_address
    }

    /// Returns the limiter of connections.
    pub(crate) fn admission(&self) -> &PeerAdmission {
        &self.inner.admission
    }

    /// Returns the upload slots.
    pub(crate) fn slots(&self) -> &Slots {
        &self.inner.slots
    }
}
