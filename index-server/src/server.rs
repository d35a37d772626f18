//! The index as a service: accepts connections, gives each a task, and stops in order.

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

/// How long connections may take to end once the index is being stopped, and then the store.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// How many are told at once that there is no room; more are closed without a word.
const MAX_REJECTIONS: usize = 64;

/// How long those may take to say who they are.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// How many nodes that were reported are called at once.
const MAX_RECHECKS: usize = 16;

/// Where the index listens.
#[derive(Debug)]
pub struct Listeners {
    /// For nodes.
    pub index: TcpListener,
    /// For BitTorrent clients, if the index is a tracker.
    pub tracker: Option<TrackerListener>,
}

/// Where the tracker listens.
#[derive(Debug)]
pub struct TrackerListener {
    /// The socket.
    pub listener: TcpListener,
    /// The announce URL that nodes are told; without it they are told the socket's port.
    pub url: Option<String>,
}

/// What the index goes by.
#[derive(Debug, Default)]
pub struct ServerConfig {
    /// What it grants.
    pub limits: IndexLimits,
    /// Whom it serves.
    pub access: Access,
    /// Where it counts.
    pub metrics: Arc<IndexMetrics>,
}

/// Serves until `shutdown` is cancelled; then stops accepting, ends what is being answered, notifies all nodes, and closes
/// the store. Takes at most 5 seconds for that.
///
/// # Errors
///
/// [`StoreError::Stuck`] if a write to the store did not end by its deadline; the index has stopped then.
pub async fn run(
    listeners: Listeners,
    mut store: Store,
    conditions: ServerConfig,
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let ServerConfig { limits, access, metrics } = conditions;
    let (connections, keepers) = (TaskTracker::new(), TaskTracker::new());
    let directory = Directory::new(store.take_catalog(), store.take_offers(), limits.quotas.listing_rules());
    metrics.set_directory(directory.clone());
    let registrar = Registrar::start(store, directory.clone(), (&limits, Arc::clone(&metrics)), &keepers);
    let stuck = registrar.commit_stuck();
    let searches = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let service = Arc::new(IndexService {
        directory,
        registrar,
        scan_worker: ScanWorker::start(&keepers),
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
    }
    info!("stopping");
    metrics.set_health(Health::Stopping);
    connections.close();
    if timeout_at(Instant::now() + SHUTDOWN_TIMEOUT, connections.wait()).await.is_err() {
        warn!(left = connections.len(), "dropping connections that did not end in time");
        service.drop.cancel();
        connections.wait().await;
    }
    // The registrar ends when nobody can ask it anything more.
    drop(service);
    keepers.close();
    if timeout_at(Instant::now() + SHUTDOWN_TIMEOUT, keepers.wait()).await.is_err() {
        warn!("the disk takes too long; what was acknowledged is safe");
    }
    if stuck.is_cancelled() { Err(StoreError::Stuck) } else { Ok(()) }
}

impl TrackerListener {
    fn location(&self) -> Option<TrackerLocation> {
        match &self.url {
            Some(url) => Some(TrackerLocation::Url(url.clone())),
            None => self.listener.local_addr().ok().map(|address| TrackerLocation::Port(address.port())),
        }
    }
}

/// Serves the clients of the tracker, or nobody.
async fn serve_tracker(listener: Option<TrackerListener>, service: &Arc<IndexService>) {
    match listener {
        Some(TrackerListener { listener, .. }) => tracker::serve(listener, service).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: TcpListener, service: &Arc<IndexService>) {
    let limits = &service.limits;
    let admission = ClientAdmission::new(AdmissionLimits::from_limits(limits));
    let turned_away = Arc::new(Semaphore::new(MAX_REJECTIONS.min(limits.probes.max_concurrent)));
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
            debug!(parent: &span, %error, "cannot prepare the connection");
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
                debug!(parent: &span, %refusal, "turned away");
                service.metrics.refusals.count(&refusal);
                let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() else { continue };
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

/// Tells a client why it is not let in.
async fn reject(stream: TcpStream, refusal: Refusal) {
    let times = FrameTimeouts { idle: REJECTION_TIMEOUT, frame: REJECTION_TIMEOUT, write: REJECTION_TIMEOUT };
    let mut wire = FrameStream::new(stream, 1, times);
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
