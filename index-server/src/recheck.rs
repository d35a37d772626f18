//! Probes nodes that others report as unreachable. A node that does not answer the index either is unlisted for a while.

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

/// The delay before a node that did not answer is probed again: a packet may be lost, or the node may be busy.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Handles a node's report of unreachable nodes; returns how many of them are probed because of it.
pub(crate) fn handle_reports(
    claims: &[NodeAddress],
    (reporter, address): (NodeNo, IpAddr),
    service: &Arc<IndexService>,
) -> u32 {
    let from = service.directory.address_group_at(reporter, address);
    let mut calls = 0;
    for claimed in claims {
        let listed = service.directory.probe_context(claimed);
        let verdict = listed.as_ref().map_or(ReportVerdict::Unknown, |(session, _)| {
            service.reports.lock().record(Instant::now(), session.node, from)
        });
        service.metrics.count_report(verdict);
        if verdict == ReportVerdict::Probe
            && let Some((session, context)) = listed
        {
            calls += 1;
            let target = ProbeTarget { session, address: claimed.address, nonce: context.nonce };
            spawn_check(target, context, service);
        }
    }
    calls
}

fn spawn_check(target: ProbeTarget, context: ProbeContext, service: &Arc<IndexService>) {
    let (shared, ended) = (Arc::clone(service), context.ended.clone());
    let node = target.session.id;
    let check = async move {
        tokio::select! {
            () = check_node(target, context, &shared) => {}
            () = ended.cancelled() => {}
        }
    };
    service.tasks.spawn(check.instrument(span(&node)));
}

fn span(node: &NodeId) -> tracing::Span {
    tracing::info_span!("reported", node = %node.short())
}

/// Probes a node; if it does not answer, unlists it until the demotion has passed and it answers again.
async fn check_node(target: ProbeTarget, context: ProbeContext, service: &IndexService) {
    let Err(error) = probe_twice(&target, service).await else {
        debug!("reported node answers");
        service.metrics.count_rechecked(true);
        return;
    };
    service.metrics.count_rechecked(false);
    // Without randomness only the jitter is lost.
    let random = getrandom::u64().unwrap_or(0);
    let pause = service.reports.lock().record_failure(target.session.node, random);
    service.directory.demote(&target.session);
    info!(address = %target.address, %error, pause = pause.as_secs(), "reported node does not answer");
    let notice = Notice::Unreachable { address: target.address, reason: error.to_string() };
    if context.notices.send(notice).await.is_err() {
        return;
    }
    sleep(pause).await;
    probe_until_reachable(target, service, (context.notices, context.ended)).await;
}

async fn probe_twice(target: &ProbeTarget, service: &IndexService) -> Result<(), ProbeError> {
    let limit = service.limits.probes.timeout;
    for is_last in [false, true] {
        // The semaphore is never closed.
        let permit = service.recheck_permits.acquire().await;
        let result = Box::pin(probe(target, limit)).await;
        drop(permit);
        match result {
            Err(error) if is_last => return Err(error),
            Err(_) => sleep(RETRY_DELAY).await,
            Ok(()) => break,
        }
    }
    Ok(())
}
