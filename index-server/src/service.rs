//! What all connections share.

use std::sync::Arc;

use parking_lot::Mutex;
use protocol::index::TrackerLocation;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::directory::Directory;
use crate::limits::IndexLimits;
use crate::metrics::IndexMetrics;
use crate::net::log_throttle::LogThrottle;
use crate::quotas::Quotas;
use crate::registrar::Registrar;
use crate::reports::UnreachableReports;
use crate::scan_worker::ScanWorker;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct IndexService {
    pub(crate) directory: Directory,
    pub(crate) registrar: Registrar,
    pub(crate) scan_worker: ScanWorker,
    pub(crate) limits: IndexLimits,
    pub(crate) access: Access,
    pub(crate) quotas: Quotas,
    pub(crate) metrics: Arc<IndexMetrics>,
    /// Where the tracker is, for the nodes.
    pub(crate) tracker_location: Option<TrackerLocation>,
    /// One permit for each call to a node that may be under way.
    pub(crate) probe_permits: Semaphore,
    /// One permit for each call to a node that was reported: they keep nobody from being called for the first time.
    pub(crate) recheck_permits: Semaphore,
    /// What was reported of nodes that do not answer.
    pub(crate) reports: Mutex<UnreachableReports>,
    /// One permit for each large search that may be under way: as many as there are processors.
    pub(crate) search_permits: Semaphore,
    /// What keeps the log short when many clients misbehave.
    pub(crate) log_throttle: LogThrottle,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the index is to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when connections that have not ended by then are dropped.
    pub(crate) drop: CancellationToken,
}
