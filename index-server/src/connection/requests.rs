//! Answers to requests of a node that has been welcomed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::features::IndexFeatures;
use protocol::index::{ListSummary, Refusal, Reply};
use protocol::node_id::NodeId;
use tokio::sync::oneshot;

use crate::budgets::downgraded_refusal;
use crate::cpu_time::with_cpu_time;
use crate::directory::{Directory, HitDetail, NodeSession};
use crate::ids::NodeNo;
use crate::quotas::RequestClass;
use crate::recheck::handle_reports;
use crate::replies::{ListingPage, with_basic_names};
use crate::request::{OfferChange, ReadRequest};
use crate::search::Search;
use crate::service::IndexService;

/// Answers a change or a renewal.
pub(super) fn list_reply(result: Result<ListSummary, Refusal>) -> Reply {
    result.map_or_else(Reply::Refused, Reply::List)
}

/// Returns a refusal as a node understands it that announced some features.
pub(super) fn refusal_for(refusal: Refusal, features: IndexFeatures) -> Refusal {
    if features.contains(IndexFeatures::BUDGETS) { refusal } else { downgraded_refusal(refusal) }
}

/// Begins to make or withdraw an offer of a torrent, and returns where the answer comes once it is on disk. One that changes something
/// costs as much as a registration.
pub(super) async fn begin_offer(
    offer: OfferChange,
    arrival: &NodeSession,
    who: (NodeId, IpAddr),
    service: &IndexService,
) -> oneshot::Receiver<Result<u32, Refusal>> {
    let at_once = match service.directory.unchanged_offer_count(arrival.id, &offer) {
        Some(count) => Ok(count),
        None => match service.quotas.admit(Instant::now(), who, RequestClass::Registration) {
            Ok(()) => return service.registrar.begin_offer(arrival, offer).await,
            Err(refusal) => Err(refusal),
        },
    };
    let (reply, answer) = oneshot::channel();
    // The receiver is here.
    let _ = reply.send(at_once);
    answer
}

/// Answers an offer of a torrent or the end of one.
pub(super) fn offers_reply(result: Result<u32, Refusal>, service: &IndexService) -> Reply {
    match result {
        Ok(torrents) => Reply::Offers { torrents, tracker: service.tracker_location.clone() },
        Err(refusal) => Reply::Refused(refusal),
    }
}

/// Refuses a search of a node or an address that has used its budget of processor time.
pub(super) fn admit_search(
    kind: RequestClass,
    who: (NodeId, IpAddr),
    service: &IndexService,
) -> Result<(), Refusal> {
    if kind != RequestClass::Search {
        return Ok(());
    }
    service.quotas.admit_search(Instant::now(), who).map_err(|(holder, refusal)| {
        service.metrics.count_search_budget(holder);
        refusal
    })
}

/// Answers a question of a node that accepts any names, or only those that release 0.1.0 accepts.
pub(super) async fn reply_to(
    question: ReadRequest,
    (asker, who, any_names): (NodeNo, (NodeId, IpAddr), bool),
    service: &Arc<IndexService>,
) -> Reply {
    let (reply, took) = timed_reply(question, (asker, who.1, any_names), service).await;
    service.quotas.charge_search(Instant::now(), who, took);
    if any_names { reply } else { with_basic_names(reply) }
}

/// Returns the reply, and the processor time that it took if the question is a search.
async fn timed_reply(
    question: ReadRequest,
    (asker, address, any_names): (NodeNo, IpAddr, bool),
    service: &Arc<IndexService>,
) -> (Reply, Duration) {
    let directory = &service.directory;
    let reply = match question {
        ReadRequest::Search { query, after, limit, with_sources } => {
            let shape = if with_sources { HitDetail::WithSources { seed: seed() } } else { HitDetail::Hits };
            return search(Search::new(query, after.as_ref(), limit), shape, service).await;
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
        ReadRequest::ReportUnreachable { nodes: places } => {
            Reply::Checking { nodes: handle_reports(&places, (asker, address), service) }
        }
    };
    (reply, Duration::ZERO)
}

/// Returns a seed for the order of sources.
fn seed() -> u64 {
    // Without randomness the order is merely not random.
    getrandom::u64().unwrap_or_default()
}

/// Searches: at once, or on a thread of its own if there is much to look through.
async fn search(search: Search, shape: HitDetail, service: &IndexService) -> (Reply, Duration) {
    let (first, took) = with_cpu_time(|| service.directory.advance(Box::new(search), shape));
    let search = match first {
        Ok(reply) => return (reply, took),
        Err(unfinished) => unfinished,
    };
    let (reply, rest) =
        on_blocking_thread(service, move |directory| directory.run_to_end(search, shape)).await;
    (reply, took + rest)
}

/// Runs what takes long on a thread of its own, when one of the places for searches is free. Returns the reply and the processor
/// time that it took.
async fn on_blocking_thread(
    service: &IndexService,
    work: impl FnOnce(&Directory) -> Reply + Send + 'static,
) -> (Reply, Duration) {
    // The semaphore is never closed; should it be, the work is done all the same.
    let _permit = service.search_permits.acquire().await;
    let directory = service.directory.clone();
    let working = tokio::task::spawn_blocking(move || with_cpu_time(|| work(&directory)));
    working.await.unwrap_or((Reply::Refused(Refusal::StoreUnavailable), Duration::ZERO))
}
