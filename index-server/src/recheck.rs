//! Calls nodes of which others report that they do not answer. Who does not answer the index either is no source for a while.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::index::{NodeAddress, Notice};
use protocol::node_id::NodeId;
use tokio::time::sleep;
use tracing::{Instrument, debug, info};

use crate::ids::NodeNo;
use crate::reachability::{ProbeError, ProbeTarget, probe, probe_until_reachable};
use crate::reports::ReportVerdict;
use crate::roster::ProbeContext;
use crate::service::IndexService;

/// The pause before a node that did not answer is called once more: a packet may be lost, and a node may be busy.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Takes a node's report that others do not answer, and returns how many of them are called because of it.
pub(crate) fn handle_reports(
    places: &[NodeAddress],
    (reporter, address): (NodeNo, IpAddr),
    service: &Arc<IndexService>,
) -> u32 {
    let from = service.directory.address_group_at(reporter, address);
    let mut calls = 0;
    for place in places {
        let listed = service.directory.probe_context(place);
        let verdict = listed.as_ref().map_or(ReportVerdict::Unknown, |(arrival, _)| {
            service.reports.lock().record(Instant::now(), arrival.node, from)
        });
        service.metrics.count_report(verdict);
        if verdict == ReportVerdict::Probe
            && let Some((arrival, recall)) = listed
        {
            calls += 1;
            let callee = ProbeTarget { session: arrival, address: place.address, nonce: recall.nonce };
            spawn_check(callee, recall, service);
        }
    }
    calls
}

fn spawn_check(callee: ProbeTarget, recall: ProbeContext, service: &Arc<IndexService>) {
    let (shared, ended) = (Arc::clone(service), recall.ended.clone());
    let node = callee.session.id;
    let checking = async move {
        tokio::select! {
            () = check(callee, recall, &shared) => {}
            () = ended.cancelled() => {}
        }
    };
    service.tasks.spawn(checking.instrument(span(&node)));
}

fn span(node: &NodeId) -> tracing::Span {
    tracing::info_span!("reported", node = %node.short())
}

/// Calls a node; if it does not answer, it is no source until the time is up and it answers again.
async fn check(callee: ProbeTarget, recall: ProbeContext, service: &IndexService) {
    let Err(error) = probe_twice(&callee, service).await else {
        debug!("answers, whatever was reported");
        service.metrics.count_rechecked(true);
        return;
    };
    service.metrics.count_rechecked(false);
    let pause = service.reports.lock().record_failure(callee.session.node);
    service.directory.demote(&callee.session);
    info!(address = %callee.address, %error, pause = pause.as_secs(), "does not answer, as was reported");
    let notice = Notice::Unreachable { address: callee.address, reason: error.to_string() };
    if recall.notices.send(notice).await.is_err() {
        return;
    }
    sleep(pause).await;
    probe_until_reachable(callee, service, (recall.notices, recall.ended)).await;
}

async fn probe_twice(callee: &ProbeTarget, service: &IndexService) -> Result<(), ProbeError> {
    let limit = service.limits.probes.timeout;
    for is_last in [false, true] {
        // The semaphore is never closed.
        let permit = service.recheck_permits.acquire().await;
        let result = Box::pin(probe(callee, limit)).await;
        drop(permit);
        match result {
            Err(error) if is_last => return Err(error),
            Err(_) => sleep(RETRY_DELAY).await,
            Ok(()) => break,
        }
    }
    Ok(())
}
