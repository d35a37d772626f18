//! Calls nodes of which others report that they do not answer. Who does not answer the index either is no source for a while.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::index::{NodePlace, Notice};
use protocol::node_id::NodeId;
use tokio::time::sleep;
use tracing::{Instrument, debug, info};

use crate::caller::{CallError, Callee, call, call_until_reached};
use crate::catalog::NodeNo;
use crate::reports::Verdict;
use crate::roster::Recall;
use crate::server::Service;

/// The pause before a node that did not answer is called once more: a packet may be lost, and a node may be busy.
const SECOND_CALL: Duration = Duration::from_secs(1);

/// Takes a node's report that others do not answer, and returns how many of them are called because of it.
pub(crate) fn take_reports(
    places: &[NodePlace],
    (reporter, address): (NodeNo, IpAddr),
    service: &Arc<Service>,
) -> u32 {
    let from = service.directory.household_at(reporter, address);
    let mut calls = 0;
    for place in places {
        let listed = service.directory.recall(place);
        let verdict = listed.as_ref().map_or(Verdict::Unknown, |(arrival, _)| {
            service.reports.lock().take(Instant::now(), arrival.node, from)
        });
        service.metrics.count_report(verdict);
        if verdict == Verdict::Call
            && let Some((arrival, recall)) = listed
        {
            calls += 1;
            let callee = Callee { arrival, address: place.address, nonce: recall.nonce };
            start(callee, recall, service);
        }
    }
    calls
}

fn start(callee: Callee, recall: Recall, service: &Arc<Service>) {
    let (shared, ended) = (Arc::clone(service), recall.ended.clone());
    let node = callee.arrival.id;
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
async fn check(callee: Callee, recall: Recall, service: &Service) {
    let Err(error) = call_twice(&callee, service).await else {
        debug!("answers, whatever was reported");
        service.metrics.count_checked(true);
        return;
    };
    service.metrics.count_checked(false);
    let pause = service.reports.lock().confirm(callee.arrival.node);
    service.directory.demote(&callee.arrival);
    info!(address = %callee.address, %error, pause = pause.as_secs(), "does not answer, as was reported");
    let notice = Notice::Unreachable { address: callee.address, reason: error.to_string() };
    if recall.notices.send(notice).await.is_err() {
        return;
    }
    sleep(pause).await;
    call_until_reached(callee, service, (recall.notices, recall.ended)).await;
}

async fn call_twice(callee: &Callee, service: &Service) -> Result<(), CallError> {
    let limit = service.limits.calls.timeout;
    for is_last in [false, true] {
        // The semaphore is never closed.
        let permit = service.checks.acquire().await;
        let result = Box::pin(call(callee, limit)).await;
        drop(permit);
        match result {
            Err(error) if is_last => return Err(error),
            Err(_) => sleep(SECOND_CALL).await,
            Ok(()) => break,
        }
    }
    Ok(())
}
