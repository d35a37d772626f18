//! The state shared by all connections.

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

/// The state shared by all connections.
#[derive(Debug)]
pub(crate) struct IndexService {
    pub(crate) directory: Directory,
    pub(crate) registrar: Registrar,
    pub(crate) scan_worker: ScanWorker,
    pub(crate) limits: IndexLimits,
    pub(crate) access: Access,
    pub(crate) quotas: Quotas,
    pub(crate) metrics: Arc<IndexMetrics>,
    /// The location of the tracker, sent to nodes.
    pub(crate) tracker_location: Option<TrackerLocation>,
    /// Permits for concurrent probes.
    pub(crate) probe_permits: Semaphore,
    /// Permits for concurrent probes of reported nodes, separate so that they do not delay first probes.
    pub(crate) recheck_permits: Semaphore,
    /// Reports of unreachable nodes.
    pub(crate) reports: Mutex<UnreachableReports>,
    /// Permits for concurrent long searches: one per processor.
    pub(crate) search_permits: Semaphore,
    /// Limits log lines about misbehaving clients.
    pub(crate) log_throttle: LogThrottle,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the index shuts down.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the remaining connections are to be dropped.
    pub(crate) drop: CancellationToken,
}
