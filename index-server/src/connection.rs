//! One client, from its first byte to its last: greets it, then answers its requests one by one.
//!
//! A request is read only when the one before is answered, so a client that sends faster than it reads waits for itself. Offers of
//! torrents alone may wait for the disk together, a few at a time.

mod greeting;
mod pending_offers;
mod requests;

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use protocol::escape::display_safe;
use protocol::features::IndexFeatures;
use protocol::index::{DecodedRequest, IndexMessage, Notice, Refusal, Reply, RequestEnvelope, RequestId};
use protocol::node_id::NodeId;
use protocol::preamble::Version;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, warn};

use crate::directory::NodeSession;
use crate::metrics::Histogram;
use crate::net::RETRY_AFTER;
use crate::net::admission::MemoryAllowance;
use crate::net::frame_stream::{FrameStream, FrameStreamError, MessageBody};
use crate::net::log_throttle::LogThrottle;
use crate::quotas::RequestClass;
use crate::reachability::{ProbeTarget, probe_until_reachable};
use crate::service::IndexService;
use crate::session::{ClientSession, SessionAction, is_final};
use greeting::WelcomedNode;
use pending_offers::{OfferRequest, PendingOffers};

/// Notices come one at a time from the caller; a few may wait while a request is being answered.
const NOTICE_BACKLOG: usize = 4;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum ConnectionEnd {
    /// The connection itself.
    #[error(transparent)]
    Stream(#[from] FrameStreamError),
    /// The client broke the protocol; it has been told.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It is not a client, or one of another version.
    #[error("{0}")]
    NotAClient(String),
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
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    allowance: MemoryAllowance,
    service: &Arc<IndexService>,
) {
    let mut wire = greeting::greeting_stream(stream, service);
    let greeted = tokio::select! {
        biased;
        () = service.stop.cancelled() => Err(ConnectionEnd::Stopping),
        greeted = Box::pin(greeting::greet(&mut wire, peer, service)) => greeted,
    };
    let ended = match greeted {
        Ok(greeted) => {
            wire.set_allowance(allowance);
            serve_node(&mut wire, greeted, service).await
        }
        Err(ended) => ended,
    };
    Box::pin(close(wire, &ended)).await;
    log_end(&ended, &service.log_throttle);
}

/// Serves a node that has been welcomed, and signs it off. What it does for a request has a place of its own as long as that
/// takes: thousands of connections wait, and each would keep room for it.
async fn serve_node(
    wire: &mut FrameStream,
    greeted: WelcomedNode,
    service: &Arc<IndexService>,
) -> ConnectionEnd {
    let WelcomedNode { mut session, id, node_session: arrival, probe_target: callee } = greeted;
    let who = (id, callee.address.ip());
    let (stopping, replaced) = (service.stop.cancelled(), arrival.replaced.cancelled());
    let (mut stopping, mut replaced) = (pin!(stopping), pin!(replaced));
    let mut access = pin!(service.access.changes().next());
    let (notices, mut inbox) = mpsc::channel(NOTICE_BACKLOG);
    let _calling = start_probing(callee, notices, service).drop_guard();
    let mut offers = PendingOffers::default();
    let ended = loop {
        let result = tokio::select! {
            biased;
            () = &mut stopping => Err(ConnectionEnd::Stopping),
            () = &mut replaced => Err(ConnectionEnd::Replaced),
            changes = &mut access => {
                access.set(changes.next());
                Box::pin(recheck_access(wire, who, service)).await
            }
            Some(notice) = inbox.recv() => wire.send(&IndexMessage::Notice(notice)).await.map_err(ConnectionEnd::from),
            (request, result) = offers.next() => {
                Box::pin(send_offer_reply(wire, request, result, (&arrival, service))).await
            }
            body = wire.next_body(), if offers.has_room() => match body {
                Ok(body) => {
                    let node = (&mut session, &mut offers, &arrival, who);
                    Box::pin(handle_request(wire, body, node, service)).await
                }
                Err(error) => Err(Box::pin(refuse_unreadable(wire, error, service)).await),
            },
        };
        if let Err(ended) = result {
            break ended;
        }
    };
    if service.stop.is_cancelled() {
        // Nobody looks for its files any more, and to go through five million of all nodes took longer than all other stopping.
        service.directory.remove_session(&arrival);
    } else {
        service.directory.end_session(&arrival);
    }
    service.registrar.node_left(arrival.node).await;
    ended
}

/// Ends a connection whose node or address is served no longer.
async fn recheck_access(
    wire: &mut FrameStream,
    (id, address): (NodeId, IpAddr),
    service: &IndexService,
) -> Result<(), ConnectionEnd> {
    let judged = service.access.check_address(address).and_then(|()| service.access.check_node(&id));
    let Err(refusal) = judged else { return Ok(()) };
    service.metrics.refusals.count(&refusal);
    wire.send(&IndexMessage::Notice(Notice::Refused(refusal.clone()))).await?;
    Err(ConnectionEnd::Refused(refusal))
}

/// Starts calling a node back; ends when the returned token is cancelled.
fn start_probing(
    callee: ProbeTarget,
    notices: mpsc::Sender<Notice>,
    service: &Arc<IndexService>,
) -> CancellationToken {
    let enough = callee.session.replaced.child_token();
    let (shared, token) = (Arc::clone(service), enough.clone());
    let calling = async move {
        tokio::select! {
            () = probe_until_reachable(callee, &shared, (notices, token.clone())) => {}
            () = token.cancelled() => {}
        }
    };
    service.tasks.spawn(calling.in_current_span());
    enough
}

/// What a message is, and what to do about it.
struct ReceivedRequest {
    id: RequestId,
    class: RequestClass,
    action: Result<SessionAction, Refusal>,
}

/// Takes a message apart and judges it; a long one is the clerk's work.
async fn receive(
    body: MessageBody,
    session: &mut ClientSession,
    who: (NodeId, IpAddr),
    service: &Arc<IndexService>,
) -> Result<ReceivedRequest, FrameStreamError> {
    if !body.is_long() {
        return admit_request(body, session, who, service);
    }
    let (mut own, shared) = (session.clone(), Arc::clone(service));
    let judging = move || (admit_request(body, &mut own, who, &shared), own);
    // Without a clerk the index is being stopped.
    let (heard, after) = service.scan_worker.run(judging).await.ok_or(FrameStreamError::Closed)?;
    *session = after;
    heard
}

fn admit_request(
    body: MessageBody,
    session: &mut ClientSession,
    who: (NodeId, IpAddr),
    service: &IndexService,
) -> Result<ReceivedRequest, FrameStreamError> {
    let (id, request) = match decode(body, session.version())? {
        DecodedRequest::Known(RequestEnvelope { id, request }) => (id, request),
        DecodedRequest::Unknown { id, kind: unknown } => {
            let kind = RequestClass::Query;
            let admitted = service.quotas.admit(Instant::now(), who, kind);
            let step = admitted.and(Err(Refusal::Unsupported { kind: unknown }));
            return Ok(ReceivedRequest { id, class: kind, action: step });
        }
    };
    let kind = RequestClass::of(&request);
    let admitted = service.quotas.admit(Instant::now(), who, kind);
    let admitted = admitted.and_then(|()| requests::admit_search(kind, who, service));
    let step = admitted.and_then(|()| session.handle(request));
    Ok(ReceivedRequest { id, class: kind, action: step })
}

/// Decodes a request. In version 1 a request of an unknown kind is malformed.
fn decode(body: MessageBody, version: Version) -> Result<DecodedRequest, FrameStreamError> {
    match version {
        Version::One => Ok(DecodedRequest::Known(body.decode()?)),
        Version::Two => Ok(body.decode_request()?),
    }
}

/// Answers one request. An offer of a torrent is answered later, by [`send_offer_reply`], unless another request comes before.
async fn handle_request(
    wire: &mut FrameStream,
    body: MessageBody,
    (session, offers, arrival, who): (&mut ClientSession, &mut PendingOffers, &NodeSession, (NodeId, IpAddr)),
    service: &Arc<IndexService>,
) -> Result<(), ConnectionEnd> {
    let begun = Instant::now();
    let ReceivedRequest { id, class: kind, action: step } = match receive(body, session, who, service).await {
        Ok(heard) => heard,
        Err(error) => return Err(refuse_unreadable(wire, error, service).await),
    };
    if let Ok(SessionAction::Offer(offer)) = step {
        offers.push(
            OfferRequest { id, received_at: begun },
            requests::begin_offer(offer, arrival, who, service).await,
        );
        return Ok(());
    }
    // Replies are sent in the order of the requests.
    while !offers.is_empty() {
        let (request, result) = offers.next().await;
        send_offer_reply(wire, request, result, (arrival, service)).await?;
    }
    let reply = match step {
        Err(refusal) => return refuse(wire, id, refusal, service).await,
        Ok(SessionAction::Change(change)) => {
            let result = service.registrar.change(arrival, change).await;
            requests::list_reply(result.map_err(|refusal| requests::refusal_for(refusal, session.features())))
        }
        Ok(SessionAction::Renew) => {
            requests::list_reply(service.directory.summary(arrival.node).ok_or(Refusal::StoreUnavailable))
        }
        Ok(SessionAction::Read(question)) => {
            let any_names = session.features().contains(IndexFeatures::ANY_NAMES);
            requests::reply_to(question, (arrival.node, who, any_names), service).await
        }
        // An open session has neither greeting, and has refused them; offers are dealt with.
        Ok(SessionAction::Challenge { .. } | SessionAction::Welcome { .. } | SessionAction::Offer(_)) => {
            Reply::Refused(Refusal::NoSuchPeer)
        }
    };
    let metrics = &service.metrics;
    let histogram = match kind {
        RequestClass::Registration => &metrics.registrations,
        RequestClass::Search => &metrics.searches,
        RequestClass::Query => &metrics.queries,
    };
    send_reply(wire, (id, reply), (histogram, begun), (arrival, service)).await
}

/// Answers an offer of a torrent.
async fn send_offer_reply(
    wire: &mut FrameStream,
    OfferRequest { id, received_at: begun }: OfferRequest,
    result: Result<u32, Refusal>,
    (arrival, service): (&NodeSession, &IndexService),
) -> Result<(), ConnectionEnd> {
    let reply = requests::offers_reply(result, service);
    send_reply(wire, (id, reply), (&service.metrics.queries, begun), (arrival, service)).await
}

/// Sends a reply and counts how long it took.
async fn send_reply(
    wire: &mut FrameStream,
    (id, reply): (RequestId, Reply),
    (histogram, begun): (&Histogram, Instant),
    (arrival, service): (&NodeSession, &IndexService),
) -> Result<(), ConnectionEnd> {
    // A change that was taken from an older session is answered by the notice that it is replaced.
    if arrival.replaced.is_cancelled() {
        return Err(ConnectionEnd::Replaced);
    }
    if let Reply::Refused(refusal) = &reply {
        service.metrics.refusals.count(refusal);
    }
    histogram.record(begun.elapsed());
    Ok(wire.send(&IndexMessage::Reply { id, reply }).await?)
}

/// Tells a client that its request is refused, and whether that ends the connection.
async fn refuse(
    wire: &mut FrameStream,
    id: RequestId,
    refusal: Refusal,
    service: &IndexService,
) -> Result<(), ConnectionEnd> {
    debug!(%refusal, "refused");
    service.metrics.refusals.count(&refusal);
    wire.send(&IndexMessage::Reply { id, reply: Reply::Refused(refusal.clone()) }).await?;
    if is_final(&refusal) { Err(ConnectionEnd::Refused(refusal)) } else { Ok(()) }
}

/// Tells a client that what it sent is no message, or that there is no room for it, if that is what ended the
/// connection.
async fn refuse_unreadable(
    wire: &mut FrameStream,
    error: FrameStreamError,
    service: &IndexService,
) -> ConnectionEnd {
    let refusal = match error {
        FrameStreamError::Frame(error) => {
            Refusal::Malformed { reason: display_safe(&error.to_string()).into_owned() }
        }
        FrameStreamError::NoMemory => Refusal::Busy { retry_after: RETRY_AFTER },
        error => return error.into(),
    };
    service.metrics.refusals.count(&refusal);
    match wire.send(&IndexMessage::Notice(Notice::Refused(refusal.clone()))).await {
        Ok(()) => ConnectionEnd::Refused(refusal),
        Err(error) => error.into(),
    }
}

/// Says a last word where there is one to say, and closes.
async fn close(mut wire: FrameStream, ended: &ConnectionEnd) {
    let notice = match ended {
        ConnectionEnd::Stream(_) => return,
        ConnectionEnd::Refused(_) | ConnectionEnd::NotAClient(_) | ConnectionEnd::Exhausted(_) => None,
        ConnectionEnd::Replaced => Some(Notice::Replaced),
        ConnectionEnd::Stopping => Some(Notice::ShuttingDown),
    };
    if let Some(notice) = notice
        && wire.send(&IndexMessage::Notice(notice)).await.is_err()
    {
        return;
    }
    wire.close().await;
}

fn log_end(ended: &ConnectionEnd, gate: &LogThrottle) {
    let reason = ended.to_string();
    let reason = display_safe(&reason);
    match ended {
        ConnectionEnd::Stream(FrameStreamError::Closed | FrameStreamError::Io(_))
        | ConnectionEnd::Stopping => debug!(%reason, "gone"),
        ConnectionEnd::Replaced => info!(%reason, "gone"),
        // Among them those who never said who they are, of whom there may be thousands.
        ConnectionEnd::Stream(_)
        | ConnectionEnd::Refused(_)
        | ConnectionEnd::NotAClient(_)
        | ConnectionEnd::Exhausted(_) => match gate.admit(Instant::now()) {
            Some(0) => warn!(%reason, "connection closed"),
            Some(untold) => warn!(%reason, untold, "connection closed"),
            None => debug!(%reason, "connection closed"),
        },
    }
}
