//! Answers the requests of a welcomed node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::features::IndexFeatures;
use protocol::index::{Refusal, Reply};
use protocol::node_id::NodeId;
use tokio::sync::oneshot;
use tracing::error;

use super::replies;
use crate::budgets::downgraded_refusal;
use crate::directory::{Directory, NodeSession};
use crate::ids::NodeNo;
use crate::platform::with_cpu_time;
use crate::quotas::RequestClass;
use crate::recheck::handle_reports;
use crate::request::{HitDetail, OfferChange, ReadRequest};
use crate::results::{FoundHits, ListingPage, retain_basic_hints};
use crate::search::Search;
use crate::service::IndexService;

/// Returns a refusal that a node with these features understands.
pub(super) fn refusal_for(refusal: Refusal, features: IndexFeatures) -> Refusal {
    if features.contains(IndexFeatures::BUDGETS) { refusal } else { downgraded_refusal(refusal) }
}

/// Starts to add or withdraw an offer of a torrent; returns a channel that receives the result once it is on disk. An offer
/// that changes something costs as much as a registration.
pub(super) async fn begin_offer(
    offer: OfferChange,
    node_session: &NodeSession,
    requester: (NodeId, IpAddr),
    service: &IndexService,
) -> oneshot::Receiver<Result<u32, Refusal>> {
    let immediate = match service.directory.unchanged_offer_count(node_session.id, &offer) {
        Some(count) => Ok(count),
        None => match service.quotas.admit(Instant::now(), requester, RequestClass::Registration) {
            Ok(()) => return service.registrar.begin_offer(node_session, offer).await,
            Err(refusal) => Err(refusal),
        },
    };
    let (reply, answer) = oneshot::channel();
    // Cannot fail: the receiver is in scope.
    let _ = reply.send(immediate);
    answer
}

/// Refuses a search if the node or its address has used up its budget of processor time.
pub(super) fn admit_search(
    class: RequestClass,
    requester: (NodeId, IpAddr),
    service: &IndexService,
) -> Result<(), Refusal> {
    if class != RequestClass::Search {
        return Ok(());
    }
    service.quotas.admit_search(Instant::now(), requester).map_err(|(holder, refusal)| {
        service.metrics.count_search_budget(holder);
        refusal
    })
}

/// Answers a read request; without `any_names`, the reply contains only names that release 0.1.0 accepts.
pub(super) async fn reply_to(
    request: ReadRequest,
    (asker, requester, any_names): (NodeNo, (NodeId, IpAddr), bool),
    service: &Arc<IndexService>,
) -> Reply {
    let (reply, cpu_time) = timed_reply(request, (asker, requester.1, any_names), service).await;
    service.quotas.charge_search(Instant::now(), requester, cpu_time);
    reply
}

/// Returns the reply, and the processor time used if the request is a search.
async fn timed_reply(
    request: ReadRequest,
    (asker, address, any_names): (NodeNo, IpAddr, bool),
    service: &Arc<IndexService>,
) -> (Reply, Duration) {
    let directory = &service.directory;
    let torrents = |mut hints| {
        if !any_names {
            retain_basic_hints(&mut hints);
        }
        Reply::Torrents { hints }
    };
    let reply = match request {
        ReadRequest::Search { query, after, limit, with_sources } => {
            let detail = if with_sources { HitDetail::WithSources { seed: seed() } } else { HitDetail::Hits };
            let (found, cpu_time) = search(Search::new(query, after, limit), detail, service).await;
            let reply = |mut found: FoundHits| {
                if !any_names {
                    found.retain_basic_names();
                }
                replies::hits_reply(found, with_sources)
            };
            return (found.map_or_else(Reply::Refused, reply), cpu_time);
        }
        ReadRequest::Locate { digest, limit } => {
            replies::sources_reply(directory.locate(digest, limit, seed()))
        }
        ReadRequest::Browse { peer, after, limit } => {
            let page = ListingPage { after: after.as_deref(), limit, allow_any_names: any_names };
            replies::listing_reply(directory.browse(peer, page))
        }
        ReadRequest::FindTorrent { infohash } => torrents(directory.find_torrent(&infohash, asker)),
        ReadRequest::FindTorrentByKey { key } => torrents(directory.find_torrent_by_key(&key, asker)),
        ReadRequest::TorrentsOf { digest } => torrents(directory.torrents_of(&digest)),
        ReadRequest::Suggest { query } => {
            let (unknown, cpu_time) = on_blocking_thread(service, move |index| index.suggest(&query)).await;
            return (unknown.map_or_else(Reply::Refused, replies::suggestions_reply), cpu_time);
        }
        ReadRequest::FindNodes { prefix } => {
            let (nodes, cpu_time) = on_blocking_thread(service, move |index| index.find_nodes(&prefix)).await;
            return (nodes.map_or_else(Reply::Refused, replies::nodes_reply), cpu_time);
        }
        ReadRequest::Statistics => replies::statistics_reply(directory.statistics()),
        ReadRequest::ReportUnreachable { nodes } => {
            Reply::Checking { nodes: handle_reports(&nodes, (asker, address), service) }
        }
    };
    (reply, Duration::ZERO)
}

/// Returns a seed for the order of sources.
fn seed() -> u64 {
    // Without randomness sources merely lose their random order.
    getrandom::u64().unwrap_or_default()
}

/// Searches, first on this thread, then on a blocking thread if the search takes longer. Returns the hits and the processor
/// time used.
async fn search(
    search: Search,
    detail: HitDetail,
    service: &IndexService,
) -> (Result<FoundHits, Refusal>, Duration) {
    let (first, cpu_time) = with_cpu_time(|| service.directory.advance(Box::new(search), detail));
    let search = match first {
        Ok(found) => return (Ok(found), cpu_time),
        Err(unfinished) => unfinished,
    };
    let (found, rest) =
        on_blocking_thread(service, move |directory| directory.run_to_end(search, detail)).await;
    (found, cpu_time + rest)
}

/// Runs a long search on a blocking thread once a search permit is free. Returns the result and the processor time used; the
/// result is a refusal if the search panicked.
async fn on_blocking_thread<T: Send + 'static>(
    service: &IndexService,
    work: impl FnOnce(&Directory) -> T + Send + 'static,
) -> (Result<T, Refusal>, Duration) {
    // The semaphore is never closed; if it were, the work would run without a permit.
    let permit = service.search_permits.acquire().await;
    debug_assert!(permit.is_ok(), "nothing closes the semaphore of searches");
    let directory = service.directory.clone();
    let working = tokio::task::spawn_blocking(move || with_cpu_time(|| work(&directory)));
    match working.await {
        Ok((found, cpu_time)) => (Ok(found), cpu_time),
        Err(error) => {
            error!(%error, "internal error: a search did not complete");
            (Err(Refusal::StoreUnavailable), Duration::ZERO)
        }
    }
}
