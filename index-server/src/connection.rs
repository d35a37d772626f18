//! One client, from its first byte to its last: greets it, then answers its requests one by one.
//!
//! A request is read only when the one before is answered, so a client that sends faster than it reads waits for itself. Offers of
//! torrents alone may wait for the disk together, a few at a time.

mod desk;
mod gate;
mod greeting;
mod pending_offers;

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use protocol::escape::display_safe;
use protocol::features::IndexFeatures;
use protocol::index::{Decoded, FromIndex, Notice, Refusal, Reply, RequestId, ToIndex};
use protocol::node_id::NodeId;
use protocol::preamble::Version;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, warn};

use crate::caller::{Callee, call_until_reached};
use crate::directory::Arrival;
use crate::metrics::Histogram;
use crate::quotas::Kind;
use crate::server::{Allowance, RETRY_AFTER, Service};
use crate::session::{Session, Step, is_final};
use crate::wire::{Body, Wire, WireError};
pub(crate) use gate::Gate;
use greeting::Greeted;
use pending_offers::{OfferRequest, PendingOffers};

/// Notices come one at a time from the caller; a few may wait while a request is being answered.
const NOTICES: usize = 4;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// The connection itself.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The client broke the protocol; it has been told.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It is not a client, or one of another version.
    #[error("{0}")]
    Stranger(String),
    /// The same node has come again.
    #[error("replaced by a newer connection of the same node")]
    Replaced,
    /// The index stops.
    #[error("the index is being stopped")]
    Stopping,
    /// The system has no random numbers, or the catalog no numbers left.
    #[error("the index has run out of {0}")]
    Exhausted(&'static str),
}

/// Serves a client until its connection ends.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, allowance: Allowance, service: &Arc<Service>) {
    let mut wire = greeting::wire(stream, service);
    let greeted = tokio::select! {
        biased;
        () = service.stop.cancelled() => Err(Ended::Stopping),
        greeted = Box::pin(greeting::greet(&mut wire, peer, service)) => greeted,
    };
    let ended = match greeted {
        Ok(greeted) => {
            wire.share(allowance);
            attend(&mut wire, greeted, service).await
        }
        Err(ended) => ended,
    };
    Box::pin(take_leave(wire, &ended)).await;
    log(&ended, &service.gate);
}

/// Serves a node that has been welcomed, and signs it off. What it does for a request has a place of its own as long as that
/// takes: thousands of connections wait, and each would keep room for it.
async fn attend(wire: &mut Wire, greeted: Greeted, service: &Arc<Service>) -> Ended {
    let Greeted { mut session, id, arrival, callee } = greeted;
    let who = (id, callee.address.ip());
    let (stopping, replaced) = (service.stop.cancelled(), arrival.replaced.cancelled());
    let (mut stopping, mut replaced) = (pin!(stopping), pin!(replaced));
    let mut access = pin!(service.access.changes().next());
    let (notices, mut inbox) = mpsc::channel(NOTICES);
    let _calling = start_calling(callee, notices, service).drop_guard();
    let mut offers = PendingOffers::default();
    let ended = loop {
        let result = tokio::select! {
            biased;
            () = &mut stopping => Err(Ended::Stopping),
            () = &mut replaced => Err(Ended::Replaced),
            changes = &mut access => {
                access.set(changes.next());
                Box::pin(judge_again(wire, who, service)).await
            }
            Some(notice) = inbox.recv() => wire.send(&FromIndex::Notice(notice)).await.map_err(Ended::from),
            (request, result) = offers.next() => {
                Box::pin(answer_offer(wire, request, result, (&arrival, service))).await
            }
            body = wire.next_body(), if offers.has_room() => match body {
                Ok(body) => {
                    let node = (&mut session, &mut offers, &arrival, who);
                    Box::pin(answer(wire, body, node, service)).await
                }
                Err(error) => Err(Box::pin(refuse_unread(wire, error, service)).await),
            },
        };
        if let Err(ended) = result {
            break ended;
        }
    };
    if service.stop.is_cancelled() {
        // Nobody looks for its files any more, and to go through five million of all nodes took longer than all other stopping.
        service.directory.sign_off(&arrival);
    } else {
        service.directory.leave(&arrival);
    }
    service.registrar.left(arrival.node).await;
    ended
}

/// Ends a connection whose node or address is served no longer.
async fn judge_again(
    wire: &mut Wire,
    (id, address): (NodeId, IpAddr),
    service: &Service,
) -> Result<(), Ended> {
    let judged = service.access.judge_address(address).and_then(|()| service.access.judge_node(&id));
    let Err(refusal) = judged else { return Ok(()) };
    service.metrics.refusals.count(&refusal);
    wire.send(&FromIndex::Notice(Notice::Refused(refusal.clone()))).await?;
    Err(Ended::Refused(refusal))
}

/// Starts calling a node back; ends when the returned token is cancelled.
fn start_calling(callee: Callee, notices: mpsc::Sender<Notice>, service: &Arc<Service>) -> CancellationToken {
    let enough = callee.arrival.replaced.child_token();
    let (shared, token) = (Arc::clone(service), enough.clone());
    let calling = async move {
        tokio::select! {
            () = call_until_reached(callee, &shared, (notices, token.clone())) => {}
            () = token.cancelled() => {}
        }
    };
    service.tasks.spawn(calling.in_current_span());
    enough
}

/// What a message is, and what to do about it.
struct Heard {
    id: RequestId,
    kind: Kind,
    step: Result<Step, Refusal>,
}

/// Takes a message apart and judges it; a long one is the clerk's work.
async fn hear(
    body: Body,
    session: &mut Session,
    who: (NodeId, IpAddr),
    service: &Arc<Service>,
) -> Result<Heard, WireError> {
    if !body.is_long() {
        return judge(body, session, who, service);
    }
    let (mut own, shared) = (session.clone(), Arc::clone(service));
    let judging = move || (judge(body, &mut own, who, &shared), own);
    // Without a clerk the index is being stopped.
    let (heard, after) = service.clerk.run(judging).await.ok_or(WireError::Closed)?;
    *session = after;
    heard
}

fn judge(
    body: Body,
    session: &mut Session,
    who: (NodeId, IpAddr),
    service: &Service,
) -> Result<Heard, WireError> {
    let (id, request) = match decode(body, session.version())? {
        Decoded::Known(ToIndex { id, request }) => (id, request),
        Decoded::Unknown { id, kind: unknown } => {
            let kind = Kind::Question;
            let admitted = service.quotas.admit(Instant::now(), who, kind);
            let step = admitted.and(Err(Refusal::Unsupported { kind: unknown }));
            return Ok(Heard { id, kind, step });
        }
    };
    let kind = Kind::of(&request);
    let admitted = service.quotas.admit(Instant::now(), who, kind);
    let admitted = admitted.and_then(|()| desk::admit_search(kind, who, service));
    let step = admitted.and_then(|()| session.hear(request));
    Ok(Heard { id, kind, step })
}

/// Decodes a request. In version 1 a request of an unknown kind is malformed.
fn decode(body: Body, version: Version) -> Result<Decoded, WireError> {
    match version {
        Version::One => Ok(Decoded::Known(body.decode()?)),
        Version::Two => Ok(body.decode_request()?),
    }
}

/// Answers one request. An offer of a torrent is answered later, by [`answer_offer`], unless another request comes before.
async fn answer(
    wire: &mut Wire,
    body: Body,
    (session, offers, arrival, who): (&mut Session, &mut PendingOffers, &Arrival, (NodeId, IpAddr)),
    service: &Arc<Service>,
) -> Result<(), Ended> {
    let begun = Instant::now();
    let Heard { id, kind, step } = match hear(body, session, who, service).await {
        Ok(heard) => heard,
        Err(error) => return Err(refuse_unread(wire, error, service).await),
    };
    if let Ok(Step::Offer(offer)) = step {
        offers.push(OfferRequest { id, begun }, desk::offer(offer, arrival, who, service).await);
        return Ok(());
    }
    // Replies are sent in the order of the requests.
    while !offers.is_empty() {
        let (request, result) = offers.next().await;
        answer_offer(wire, request, result, (arrival, service)).await?;
    }
    let reply = match step {
        Err(refusal) => return refuse(wire, id, refusal, service).await,
        Ok(Step::Change(change)) => {
            let result = service.registrar.change(arrival, change).await;
            desk::list_reply(result.map_err(|refusal| desk::in_words_of(refusal, session.features())))
        }
        Ok(Step::Renew) => {
            desk::list_reply(service.directory.summary(arrival.node).ok_or(Refusal::StoreUnavailable))
        }
        Ok(Step::Answer(question)) => {
            let any_names = session.features().contains(IndexFeatures::ANY_NAMES);
            desk::answer(question, (arrival.node, who, any_names), service).await
        }
        // An open session has neither greeting, and has refused them; offers are dealt with.
        Ok(Step::Challenge { .. } | Step::Welcome { .. } | Step::Offer(_)) => {
            Reply::Refused(Refusal::NoSuchPeer)
        }
    };
    let metrics = &service.metrics;
    let histogram = match kind {
        Kind::Registration => &metrics.registrations,
        Kind::Search => &metrics.searches,
        Kind::Question => &metrics.questions,
    };
    send_reply(wire, (id, reply), (histogram, begun), (arrival, service)).await
}

/// Answers an offer of a torrent.
async fn answer_offer(
    wire: &mut Wire,
    OfferRequest { id, begun }: OfferRequest,
    result: Result<u32, Refusal>,
    (arrival, service): (&Arrival, &Service),
) -> Result<(), Ended> {
    let reply = desk::offers_reply(result, service);
    send_reply(wire, (id, reply), (&service.metrics.questions, begun), (arrival, service)).await
}

/// Sends a reply and counts how long it took.
async fn send_reply(
    wire: &mut Wire,
    (id, reply): (RequestId, Reply),
    (histogram, begun): (&Histogram, Instant),
    (arrival, service): (&Arrival, &Service),
) -> Result<(), Ended> {
    // A change that was taken from an older session is answered by the notice that it is replaced.
    if arrival.replaced.is_cancelled() {
        return Err(Ended::Replaced);
    }
    if let Reply::Refused(refusal) = &reply {
        service.metrics.refusals.count(refusal);
    }
    histogram.record(begun.elapsed());
    Ok(wire.send(&FromIndex::Reply { id, reply }).await?)
}

/// Tells a client that its request is refused, and whether that ends the connection.
async fn refuse(wire: &mut Wire, id: RequestId, refusal: Refusal, service: &Service) -> Result<(), Ended> {
    debug!(%refusal, "refused");
    service.metrics.refusals.count(&refusal);
    wire.send(&FromIndex::Reply { id, reply: Reply::Refused(refusal.clone()) }).await?;
    if is_final(&refusal) { Err(Ended::Refused(refusal)) } else { Ok(()) }
}

/// Tells a client that what it sent is no message, or that there is no room for it, if that is what ended the
/// connection.
async fn refuse_unread(wire: &mut Wire, error: WireError, service: &Service) -> Ended {
    let refusal = match error {
        WireError::Frame(error) => {
            Refusal::Malformed { reason: display_safe(&error.to_string()).into_owned() }
        }
        WireError::Crowded => Refusal::Busy { retry_after: RETRY_AFTER },
        error => return error.into(),
    };
    service.metrics.refusals.count(&refusal);
    match wire.send(&FromIndex::Notice(Notice::Refused(refusal.clone()))).await {
        Ok(()) => Ended::Refused(refusal),
        Err(error) => error.into(),
    }
}

/// Says a last word where there is one to say, and closes.
async fn take_leave(mut wire: Wire, ended: &Ended) {
    let notice = match ended {
        Ended::Wire(_) => return,
        Ended::Refused(_) | Ended::Stranger(_) | Ended::Exhausted(_) => None,
        Ended::Replaced => Some(Notice::Replaced),
        Ended::Stopping => Some(Notice::ShuttingDown),
    };
    if let Some(notice) = notice
        && wire.send(&FromIndex::Notice(notice)).await.is_err()
    {
        return;
    }
    wire.farewell().await;
}

fn log(ended: &Ended, gate: &Gate) {
    let reason = ended.to_string();
    let reason = display_safe(&reason);
    match ended {
        Ended::Wire(WireError::Closed | WireError::Broken(_)) | Ended::Stopping => debug!(%reason, "gone"),
        Ended::Replaced => info!(%reason, "gone"),
        // Among them those who never said who they are, of whom there may be thousands.
        Ended::Wire(_) | Ended::Refused(_) | Ended::Stranger(_) | Ended::Exhausted(_) => {
            match gate.pass(Instant::now()) {
                Some(0) => warn!(%reason, "connection closed"),
                Some(untold) => warn!(%reason, untold, "connection closed"),
                None => debug!(%reason, "connection closed"),
            }
        }
    }
}
