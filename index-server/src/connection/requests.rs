//! Answers the requests of a welcomed node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::features::IndexFeatures;
use protocol::index::{ListSummary, Refusal, Reply};
use protocol::node_id::NodeId;
use tokio::sync::oneshot;

use crate::budgets::downgraded_refusal;
use crate::directory::{Directory, NodeSession};
use crate::ids::NodeNo;
use crate::platform::with_cpu_time;
use crate::quotas::RequestClass;
use crate::recheck::handle_reports;
use crate::replies::{ListingPage, with_basic_names};
use crate::request::HitDetail;
use crate::request::{OfferChange, ReadRequest};
use crate::search::Search;
use crate::service::IndexService;

/// Returns the reply to a change or a renewal.
pub(super) fn list_reply(result: Result<ListSummary, Refusal>) -> Reply {
    result.map_or_else(Reply::Refused, Reply::List)
}

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

/// Returns the reply to an offer of a torrent or its withdrawal.
pub(super) fn offers_reply(result: Result<u32, Refusal>, service: &IndexService) -> Reply {
    match result {
        Ok(torrents) => Reply::Offers { torrents, tracker: service.tracker_location.clone() },
        Err(refusal) => Reply::Refused(refusal),
    }
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
    if any_names { reply } else { with_basic_names(reply) }
}

/// Returns the reply, and the processor time used if the request is a search.
async fn timed_reply(
    request: ReadRequest,
    (asker, address, any_names): (NodeNo, IpAddr, bool),
    service: &Arc<IndexService>,
) -> (Reply, Duration) {
    let directory = &service.directory;
    let reply = match request {
        ReadRequest::Search { query, after, limit, with_sources } => {
            let detail = if with_sources { HitDetail::WithSources { seed: seed() } } else { HitDetail::Hits };
            return search(Search::new(query, after.as_ref(), limit), detail, service).await;
        }
        ReadRequest::Locate { digest, limit } => {
            Reply::Sources { sources: directory.locate(digest, limit, seed()) }
        }
        ReadRequest::Browse { peer, after, limit } => {
            directory.browse(peer, ListingPage { after: after.as_deref(), limit, allow_any_names: any_names })
        }
        ReadRequest::FindTorrent { infohash } => {
            Reply::Torrents { hints: directory.find_torrent(&infohash, asker) }
        }
        ReadRequest::FindTorrentByKey { key } => {
            Reply::Torrents { hints: directory.find_torrent_by_key(&key, asker) }
        }
        ReadRequest::TorrentsOf { digest } => Reply::Torrents { hints: directory.torrents_of(&digest) },
        ReadRequest::Suggest { query } => {
            let suggest =
                move |directory: &Directory| Reply::Suggestions { words: directory.suggest(&query) };
            return on_blocking_thread(service, suggest).await;
        }
        ReadRequest::FindNodes { prefix } => {
            let find = move |directory: &Directory| Reply::Nodes { nodes: directory.find_nodes(&prefix) };
            return on_blocking_thread(service, find).await;
        }
        ReadRequest::Statistics => Reply::Statistics(directory.statistics()),
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

/// Searches, first on this thread, then on a blocking thread if the search takes longer.
async fn search(search: Search, detail: HitDetail, service: &IndexService) -> (Reply, Duration) {
    let (first, cpu_time) = with_cpu_time(|| service.directory.advance(Box::new(search), detail));
    let search = match first {
        Ok(reply) => return (reply, cpu_time),
        Err(unfinished) => unfinished,
    };
    let (reply, rest) =
        on_blocking_thread(service, move |directory| directory.run_to_end(search, detail)).await;
    (reply, cpu_time + rest)
}

/// Runs a long search on a blocking thread once a search permit is free. Returns the reply and the processor time used.
async fn on_blocking_thread(
    service: &IndexService,
    work: impl FnOnce(&Directory) -> Reply + Send + 'static,
) -> (Reply, Duration) {
    // The semaphore is never closed; if it were, the work would run without a permit.
    let _permit = service.search_permits.acquire().await;
    let directory = service.directory.clone();
    let working = tokio::task::spawn_blocking(move || with_cpu_time(|| work(&directory)));
    working.await.unwrap_or((Reply::Refused(Refusal::StoreUnavailable), Duration::ZERO))
}
