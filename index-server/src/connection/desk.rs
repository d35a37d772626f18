//! Answers to requests of a node that has been welcomed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::features::IndexFeatures;
use protocol::index::{ListSummary, Refusal, Reply};
use protocol::node_id::NodeId;
use tokio::sync::oneshot;

use crate::answer::{Page, with_basic_names};
use crate::budgets::in_older_words;
use crate::catalog::NodeNo;
use crate::checking::take_reports;
use crate::directory::{Arrival, Directory, PageShape};
use crate::processor_time::timed;
use crate::quotas::Kind;
use crate::search::Search;
use crate::server::Service;
use crate::session::{Offer, Question};

/// Answers a change or a renewal.
pub(super) fn list_reply(result: Result<ListSummary, Refusal>) -> Reply {
    result.map_or_else(Reply::Refused, Reply::List)
}

/// Returns a refusal as a node understands it that announced some features.
pub(super) fn in_words_of(refusal: Refusal, features: IndexFeatures) -> Refusal {
    if features.contains(IndexFeatures::BUDGETS) { refusal } else { in_older_words(refusal) }
}

/// Begins to make or withdraw an offer of a torrent, and returns where the answer comes once it is on disk. One that changes something
/// costs as much as a registration.
pub(super) async fn offer(
    offer: Offer,
    arrival: &Arrival,
    who: (NodeId, IpAddr),
    service: &Service,
) -> oneshot::Receiver<Result<u32, Refusal>> {
    let at_once = match service.directory.offers_already(arrival.id, &offer) {
        Some(count) => Ok(count),
        None => match service.quotas.admit(Instant::now(), who, Kind::Registration) {
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
pub(super) fn offers_reply(result: Result<u32, Refusal>, service: &Service) -> Reply {
    match result {
        Ok(torrents) => Reply::Offers { torrents, tracker: service.tracker_place.clone() },
        Err(refusal) => Reply::Refused(refusal),
    }
}

/// Refuses a search of a node or an address that has used its budget of processor time.
pub(super) fn admit_search(kind: Kind, who: (NodeId, IpAddr), service: &Service) -> Result<(), Refusal> {
    if kind != Kind::Search {
        return Ok(());
    }
    service.quotas.admit_search(Instant::now(), who).map_err(|(holder, refusal)| {
        service.metrics.count_search_budget(holder);
        refusal
    })
}

/// Answers a question of a node that accepts any names, or only those that release 0.1.0 accepts.
pub(super) async fn answer(
    question: Question,
    (asker, who, any_names): (NodeNo, (NodeId, IpAddr), bool),
    service: &Arc<Service>,
) -> Reply {
    let (reply, took) = answer_in_full(question, (asker, who.1, any_names), service).await;
    service.quotas.charge_search(Instant::now(), who, took);
    if any_names { reply } else { with_basic_names(reply) }
}

/// Returns the reply, and the processor time that it took if the question is a search.
async fn answer_in_full(
    question: Question,
    (asker, address, any_names): (NodeNo, IpAddr, bool),
    service: &Arc<Service>,
) -> (Reply, Duration) {
    let directory = &service.directory;
    let reply = match question {
        Question::Search { query, after, limit, with_sources } => {
            let shape = if with_sources { PageShape::WithSources { seed: seed() } } else { PageShape::Hits };
            return search(Search::new(query, after.as_ref(), limit), shape, service).await;
        }
        Question::Locate { digest, limit } => {
            Reply::Sources { sources: directory.locate(digest, limit, seed()) }
        }
        Question::Browse { peer, after, limit } => {
            directory.browse(peer, Page { after: after.as_deref(), limit, any_names })
        }
        Question::FindTorrent { infohash } => {
            Reply::Torrents { hints: directory.find_torrent(&infohash, asker) }
        }
        Question::FindTorrentByKey { key } => {
            Reply::Torrents { hints: directory.find_torrent_by_key(&key, asker) }
        }
        Question::TorrentsOf { digest } => Reply::Torrents { hints: directory.torrents_of(&digest) },
        Question::Suggest { query } => {
            let suggest =
                move |directory: &Directory| Reply::Suggestions { words: directory.suggest(&query) };
            return apart(service, suggest).await;
        }
        Question::FindNodes { prefix } => {
            let find = move |directory: &Directory| Reply::Nodes { nodes: directory.find_nodes(&prefix) };
            return apart(service, find).await;
        }
        Question::Statistics => Reply::Statistics(directory.statistics()),
        Question::ReportUnreachable { places } => {
            Reply::Checking { nodes: take_reports(&places, (asker, address), service) }
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
async fn search(search: Search, shape: PageShape, service: &Service) -> (Reply, Duration) {
    let (first, took) = timed(|| service.directory.advance(Box::new(search), shape));
    let search = match first {
        Ok(reply) => return (reply, took),
        Err(unfinished) => unfinished,
    };
    let (reply, rest) = apart(service, move |directory| directory.complete(search, shape)).await;
    (reply, took + rest)
}

/// Runs what takes long on a thread of its own, when one of the places for searches is free. Returns the reply and the processor
/// time that it took.
async fn apart(
    service: &Service,
    work: impl FnOnce(&Directory) -> Reply + Send + 'static,
) -> (Reply, Duration) {
    // The semaphore is never closed; should it be, the work is done all the same.
    let _permit = service.searches.acquire().await;
    let directory = service.directory.clone();
    let working = tokio::task::spawn_blocking(move || timed(|| work(&directory)));
    working.await.unwrap_or((Reply::Refused(Refusal::StoreUnavailable), Duration::ZERO))
}
