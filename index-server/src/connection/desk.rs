//! Answers to requests of a node that has been welcomed.

use std::net::IpAddr;
use std::time::Instant;

use protocol::index::{ListSummary, Refusal, Reply};
use protocol::node_id::NodeId;
use tokio::sync::oneshot;

use crate::answer::{Page, with_basic_names};
use crate::catalog::NodeNo;
use crate::directory::{Arrival, Directory, PageShape};
use crate::quotas::Kind;
use crate::search::Search;
use crate::server::Service;
use crate::session::{Offer, Question};

/// Answers a change or a renewal.
pub(super) fn list_reply(result: Result<ListSummary, Refusal>) -> Reply {
    result.map_or_else(Reply::Refused, Reply::List)
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

/// Answers a question of a node that accepts any names, or only those that release 0.1.0 accepts.
pub(super) async fn answer(
    question: Question,
    (asker, any_names): (NodeNo, bool),
    service: &Service,
) -> Reply {
    let reply = answer_in_full(question, (asker, any_names), service).await;
    if any_names { reply } else { with_basic_names(reply) }
}

async fn answer_in_full(question: Question, (asker, any_names): (NodeNo, bool), service: &Service) -> Reply {
    let directory = &service.directory;
    match question {
        Question::Search { query, after, limit, with_sources } => {
            let shape = if with_sources { PageShape::WithSources { seed: seed() } } else { PageShape::Hits };
            search(Search::new(query, after.as_ref(), limit), shape, service).await
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
            apart(service, move |directory| Reply::Suggestions { words: directory.suggest(&query) }).await
        }
        Question::FindNodes { prefix } => {
            apart(service, move |directory| Reply::Nodes { nodes: directory.find_nodes(&prefix) }).await
        }
        Question::Statistics => Reply::Statistics(directory.statistics()),
    }
}

/// Returns a seed for the order of sources.
fn seed() -> u64 {
    // Without randomness the order is merely not random.
    getrandom::u64().unwrap_or_default()
}

/// Searches: at once, or on a thread of its own if there is much to look through.
async fn search(search: Search, shape: PageShape, service: &Service) -> Reply {
    let search = match service.directory.advance(Box::new(search), shape) {
        Ok(reply) => return reply,
        Err(unfinished) => unfinished,
    };
    apart(service, move |directory| directory.complete(search, shape)).await
}

/// Runs what takes long on a thread of its own, when one of the places for searches is free.
async fn apart(service: &Service, work: impl FnOnce(&Directory) -> Reply + Send + 'static) -> Reply {
    // The semaphore is never closed; should it be, the work is done all the same.
    let _permit = service.searches.acquire().await;
    let directory = service.directory.clone();
    let working = tokio::task::spawn_blocking(move || work(&directory));
    working.await.unwrap_or(Reply::Refused(Refusal::StoreUnavailable))
}
