//! The index as a service: accepts connections, gives each a task, and stops in order.

mod admission;
mod socket;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::index::{FromIndex, Notice, Refusal, TrackerPlace};
use protocol::preamble::{self, PreambleError, Service as Kind};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::access::Access;
use crate::clerk::Clerk;
use crate::connection::{self, Gate};
use crate::directory::Directory;
use crate::limits::Limits;
use crate::metrics::{Condition, Metrics};
use crate::quotas::Quotas;
use crate::registrar::Registrar;
use crate::reports::Reports;
use crate::store::{Store, StoreError};
use crate::tracker;
use crate::wire::{Times, Wire};
pub(crate) use admission::{Admission, Allowance, Bounds, Room};
pub(crate) use socket::{canonical, prepare};

/// How long connections may take to end once the index is being stopped, and then the store.
const STOPPING: Duration = Duration::from_secs(2);

/// The pause after a connection could not be accepted, as when all descriptors are in use.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How many are told at once that there is no room; more are closed without a word.
const TURNED_AWAY: usize = 64;

/// How long those may take to say who they are, and when they may come again.
const TURNING_AWAY: Duration = Duration::from_secs(2);
pub(crate) const RETRY_AFTER: u32 = 30;

/// How many nodes that were reported are called at once.
const CHECKS: usize = 16;

/// Where the index listens.
#[derive(Debug)]
pub struct Listeners {
    /// For nodes.
    pub nodes: TcpListener,
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
pub struct Conditions {
    /// What it grants.
    pub limits: Limits,
    /// Whom it serves.
    pub access: Access,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) directory: Directory,
    pub(crate) registrar: Registrar,
    pub(crate) clerk: Clerk,
    pub(crate) limits: Limits,
    pub(crate) access: Access,
    pub(crate) quotas: Quotas,
    pub(crate) metrics: Arc<Metrics>,
    /// Where the tracker is, for the nodes.
    pub(crate) tracker_place: Option<TrackerPlace>,
    /// One permit for each call to a node that may be under way.
    pub(crate) calls: Semaphore,
    /// One permit for each call to a node that was reported: they keep nobody from being called for the first time.
    pub(crate) checks: Semaphore,
    /// What was reported of nodes that do not answer.
    pub(crate) reports: Mutex<Reports>,
    /// One permit for each large search that may be under way: as many as there are processors.
    pub(crate) searches: Semaphore,
    /// What keeps the log short when many clients misbehave.
    pub(crate) gate: Gate,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the index is to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when connections that have not ended by then are dropped.
    pub(crate) drop: CancellationToken,
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
    conditions: Conditions,
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let Conditions { limits, access, metrics } = conditions;
    let (connections, keepers) = (TaskTracker::new(), TaskTracker::new());
    let directory = Directory::new(store.take_catalog(), store.take_offers(), limits.quotas.listing_rules());
    metrics.watch(directory.clone());
    let registrar = Registrar::start(store, directory.clone(), (&limits, Arc::clone(&metrics)), &keepers);
    let stuck = registrar.stuck();
    let searches = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let service = Arc::new(Service {
        directory,
        registrar,
        clerk: Clerk::start(&keepers),
        tracker_place: listeners.tracker.as_ref().and_then(TrackerListener::place),
        calls: Semaphore::new(limits.calls.at_once),
        checks: Semaphore::new(CHECKS.min(limits.calls.at_once)),
        reports: Mutex::new(Reports::new(limits.quotas.reports)),
        quotas: Quotas::new(&limits.quotas),
        limits,
        access,
        metrics: Arc::clone(&metrics),
        searches: Semaphore::new(searches),
        gate: Gate::default(),
        tasks: connections.clone(),
        stop: shutdown.clone(),
        drop: CancellationToken::new(),
    });
    metrics.note(Condition::Ready);
    tokio::select! {
        () = accept(listeners.nodes, &service) => {}
        () = track(listeners.tracker, &service) => {}
        () = shutdown.cancelled() => {}
        () = stuck.cancelled() => {}
    }
    info!("stopping");
    metrics.note(Condition::Stopping);
    connections.close();
    if timeout_at(Instant::now() + STOPPING, connections.wait()).await.is_err() {
        warn!(left = connections.len(), "dropping connections that did not end in time");
        service.drop.cancel();
        connections.wait().await;
    }
    // The registrar ends when nobody can ask it anything more.
    drop(service);
    keepers.close();
    if timeout_at(Instant::now() + STOPPING, keepers.wait()).await.is_err() {
        warn!("the disk takes too long; what was acknowledged is safe");
    }
    if stuck.is_cancelled() { Err(StoreError::Stuck) } else { Ok(()) }
}

impl TrackerListener {
    fn place(&self) -> Option<TrackerPlace> {
        match &self.url {
            Some(url) => Some(TrackerPlace::Url(url.clone())),
            None => self.listener.local_addr().ok().map(|address| TrackerPlace::Port(address.port())),
        }
    }
}

/// Serves the clients of the tracker, or nobody.
async fn track(listener: Option<TrackerListener>, service: &Arc<Service>) {
    match listener {
        Some(TrackerListener { listener, .. }) => tracker::serve(listener, service).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: TcpListener, service: &Arc<Service>) {
    let limits = &service.limits;
    let admission = Admission::new(Bounds::of(limits));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY.min(limits.calls.at_once)));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = canonical(peer);
        let span = info_span!("client", %peer);
        if let Err(error) = prepare(&stream) {
            debug!(parent: &span, %error, "cannot prepare the connection");
            continue;
        }
        let (tasks, service) = (&service.tasks, Arc::clone(service));
        let admitted = service
            .access
            .judge_address(peer.ip())
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
                        () = turn_away(stream, refusal) => {}
                        () = service.stop.cancelled() => {}
                    }
                    drop(permit);
                });
            }
        }
    }
}

/// Tells a client why it is not let in.
async fn turn_away(stream: TcpStream, refusal: Refusal) {
    let times = Times { silence: TURNING_AWAY, frame: TURNING_AWAY, write: TURNING_AWAY };
    let mut wire = Wire::new(stream, 1, times);
    let Ok(bytes) = wire.read_preamble().await else { return };
    let checked = preamble::check(bytes, Kind::Index);
    if checked == Err(PreambleError::NotPeerdex) {
        return;
    }
    let refused = FromIndex::Notice(Notice::Refused(refusal));
    let ours = preamble::encode(Kind::Index, preamble::answer_version(&checked));
    if wire.write_raw(&ours).await.is_ok() && checked.is_ok() && wire.send(&refused).await.is_ok() {
        wire.farewell().await;
    }
}
