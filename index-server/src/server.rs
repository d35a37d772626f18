//! The index service: accepts connections, serves each in a task, and shuts down cleanly.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::index::{IndexMessage, Notice, Refusal, TrackerLocation};
use protocol::preamble::{self, PreambleError, Service as Kind};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::access::Access;
use crate::connection;
use crate::directory::Directory;
use crate::limits::IndexLimits;
use crate::metrics::{Health, IndexMetrics};
use crate::net::admission::{AdmissionLimits, ClientAdmission};
use crate::net::frame_stream::{FrameStream, FrameTimeouts};
use crate::net::log_throttle::LogThrottle;
use crate::net::socket::{canonical, configure};
use crate::net::{ACCEPT_RETRY_DELAY, RETRY_AFTER};
use crate::quotas::Quotas;
use crate::registrar::Registrar;
use crate::reports::UnreachableReports;
use crate::scan_worker::ScanWorker;
use crate::service::IndexService;
use crate::store::{Store, StoreError};
use crate::tracker;

/// Timeout for connections to end during shutdown, and again for the store.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of clients that are refused with a reply at the same time; more are closed without one.
const MAX_REJECTIONS: usize = 64;

/// Timeout for refusing a client.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of concurrent probes of reported nodes.
const MAX_RECHECKS: usize = 16;

/// The listening sockets of the index.
#[derive(Debug)]
pub struct Listeners {
    /// For nodes.
    pub index: TcpListener,
    /// For BitTorrent clients, if the tracker is enabled.
    pub tracker: Option<TrackerListener>,
}

/// The listening socket of the tracker.
#[derive(Debug)]
pub struct TrackerListener {
    /// The socket.
    pub listener: TcpListener,
    /// The announce URL sent to nodes; without it they get the socket's port.
    pub url: Option<String>,
}

/// The configuration of the index.
#[derive(Debug, Default)]
pub struct ServerConfig {
    /// The limits for clients.
    pub limits: IndexLimits,
    /// The access lists.
    pub access: Access,
    /// The metrics.
    pub metrics: Arc<IndexMetrics>,
}

/// Serves until `shutdown` is cancelled; then stops accepting, completes pending replies, notifies all nodes, and closes the
/// store. Shutdown takes at most 5 seconds.
///
/// # Errors
///
/// Returns [`StoreError::Stuck`] if a write to the store timed out, and [`StoreError::Internal`] if the registrar panicked; both
/// also shut the index down.
pub async fn run(
    listeners: Listeners,
    mut store: Store,
    config: ServerConfig,
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let ServerConfig { limits, access, metrics } = config;
    let (connections, workers) = (TaskTracker::new(), TaskTracker::new());
    let directory = Directory::new(store.take_catalog(), store.take_offers(), limits.quotas.listing_rules());
    metrics.set_directory(directory.clone());
    let registrar = Registrar::start(store, directory.clone(), (&limits, Arc::clone(&metrics)), &workers);
    let (stuck, panicked) = (registrar.commit_stuck(), registrar.panicked());
    let searches = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let service = Arc::new(IndexService {
        directory,
        registrar,
        scan_worker: ScanWorker::start(&workers),
        tracker_location: listeners.tracker.as_ref().and_then(TrackerListener::location),
        probe_permits: Semaphore::new(limits.probes.max_concurrent),
        recheck_permits: Semaphore::new(MAX_RECHECKS.min(limits.probes.max_concurrent)),
        reports: Mutex::new(UnreachableReports::new(limits.quotas.reports)),
        quotas: Quotas::new(&limits.quotas),
        limits,
        access,
        metrics: Arc::clone(&metrics),
        search_permits: Semaphore::new(searches),
        log_throttle: LogThrottle::default(),
        tasks: connections.clone(),
        stop: shutdown.clone(),
        drop: CancellationToken::new(),
    });
    metrics.set_health(Health::Ready);
    tokio::select! {
        () = accept(listeners.index, &service) => {}
        () = serve_tracker(listeners.tracker, &service) => {}
        () = shutdown.cancelled() => {}
        () = stuck.cancelled() => {}
        () = panicked.cancelled() => {}
    }
    info!("stopping");
    metrics.set_health(Health::Stopping);
    connections.close();
    if timeout_at(Instant::now() + SHUTDOWN_TIMEOUT, connections.wait()).await.is_err() {
        warn!(remaining = connections.len(), "dropping connections that did not end in time");
        service.drop.cancel();
        connections.wait().await;
    }
    // The registrar ends when its last handle is dropped.
    drop(service);
    workers.close();
    if timeout_at(Instant::now() + SHUTDOWN_TIMEOUT, workers.wait()).await.is_err() {
        warn!("the store did not close in time, acknowledged changes are safe");
    }
    match (panicked.is_cancelled(), stuck.is_cancelled()) {
        (true, _) => Err(StoreError::Internal),
        (false, true) => Err(StoreError::Stuck),
        (false, false) => Ok(()),
    }
}

impl TrackerListener {
    fn location(&self) -> Option<TrackerLocation> {
        match &self.url {
            Some(url) => Some(TrackerLocation::Url(url.clone())),
            None => self.listener.local_addr().ok().map(|address| TrackerLocation::Port(address.port())),
        }
    }
}

/// Serves the clients of the tracker, if it is enabled.
async fn serve_tracker(listener: Option<TrackerListener>, service: &Arc<IndexService>) {
    match listener {
        Some(TrackerListener { listener, .. }) => tracker::serve(listener, service).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: TcpListener, service: &Arc<IndexService>) {
    let limits = &service.limits;
    let admission = ClientAdmission::new(AdmissionLimits::from_limits(limits));
    let rejection_permits = Arc::new(Semaphore::new(MAX_REJECTIONS.min(limits.probes.max_concurrent)));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let peer = canonical(peer);
        let span = info_span!("client", %peer);
        if let Err(error) = configure(&stream) {
            debug!(parent: &span, %error, "cannot configure the connection");
            continue;
        }
        let (tasks, service) = (&service.tasks, Arc::clone(service));
        let admitted = service
            .access
            .check_address(peer.ip())
            .and_then(|()| admission.admit(peer.ip()).ok_or(Refusal::Busy { retry_after: RETRY_AFTER }));
        match admitted {
            Ok(permit) => {
                let serve = async move {
                    let _counted = service.metrics.connections.count();
                    tokio::select! {
                        () = connection::serve(stream, peer, permit.allowance(), &service) => {}
                        () = service.drop.cancelled() => {}
                    }
                    drop(permit);
                };
                tasks.spawn(serve.instrument(span));
            }
            Err(refusal) => {
                debug!(parent: &span, %refusal, "connection refused");
                service.metrics.refusals.count(&refusal);
                let Ok(permit) = Arc::clone(&rejection_permits).try_acquire_owned() else { continue };
                tasks.spawn(async move {
                    tokio::select! {
                        () = reject(stream, refusal) => {}
                        () = service.stop.cancelled() => {}
                    }
                    drop(permit);
                });
            }
        }
    }
}

/// Sends a client the reason why it is refused.
async fn reject(stream: TcpStream, refusal: Refusal) {
    let timeouts =
        FrameTimeouts { idle: REJECTION_TIMEOUT, frame: REJECTION_TIMEOUT, write: REJECTION_TIMEOUT };
    let mut wire = FrameStream::new(stream, 1, timeouts);
    let Ok(bytes) = wire.read_preamble().await else { return };
    let checked = preamble::check(bytes, Kind::Index);
    if checked == Err(PreambleError::NotPeerdex) {
        return;
    }
    let refused = IndexMessage::Notice(Notice::Refused(refusal));
    let ours = preamble::encode(Kind::Index, preamble::reply_version(&checked));
    if wire.write_raw(&ours).await.is_ok() && checked.is_ok() && wire.send(&refused).await.is_ok() {
        wire.close().await;
    }
}
