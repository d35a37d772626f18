//! Serves one client: the greeting, then its requests one by one.
//!
//! The next request is read only after the previous one is answered, so a client that sends faster than it reads throttles
//! itself. Only offers of torrents may wait for the disk together, up to a small number.

mod greeting;
mod pending_offers;
mod replies;
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
use tracing::{Instrument, debug, error, info, warn};

use crate::directory::NodeSession;
use crate::metrics::Histogram;
use crate::net::RETRY_AFTER;
use crate::net::admission::MemoryAllowance;
use crate::net::frame_stream::{FrameStream, FrameStreamError, MessageBody};
use crate::net::log_throttle::LogThrottle;
use crate::quotas::RequestClass;
use crate::reachability::{ProbeTarget, probe_until_reachable};
use crate::service::IndexService;
use crate::session::{ImmediateAction, OpenSession, SessionAction, is_final};
use greeting::WelcomedNode;
use pending_offers::{OfferRequest, PendingOffers};
#[cfg(test)]
pub(crate) use replies::{hits_reply, listing_reply};

/// The prober sends notices one at a time; a few may queue while a request is being answered.
const NOTICE_BACKLOG: usize = 4;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum ConnectionEnd {
    /// The connection failed.
    #[error(transparent)]
    Stream(#[from] FrameStreamError),
    /// The client broke the protocol or was denied access; it has been notified.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The peer is not a client, or uses an unsupported version.
    #[error("{0}")]
    NotAClient(String),
    /// The same node has connected again.
    #[error("replaced by a newer connection of the same node")]
    Replaced,
    /// The index is shutting down.
    #[error("the index is shutting down")]
    Stopping,
    /// The system has no random numbers, or the catalog has no node numbers left.
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

/// Serves a welcomed node, and ends its session. Handling of a request is boxed so that its future takes memory only while it
/// runs: thousands of connections are idle.
async fn serve_node(
    wire: &mut FrameStream,
    greeted: WelcomedNode,
    service: &Arc<IndexService>,
) -> ConnectionEnd {
    let WelcomedNode { mut session, id, node_session, probe_target } = greeted;
    let requester = (id, probe_target.address.ip());
    let (stopping, replaced) = (service.stop.cancelled(), node_session.replaced.cancelled());
    let (mut stopping, mut replaced) = (pin!(stopping), pin!(replaced));
    let mut access = pin!(service.access.changes().next());
    let (notices, mut inbox) = mpsc::channel(NOTICE_BACKLOG);
    let _probing = start_probing(probe_target, notices, service).drop_guard();
    let mut offers = PendingOffers::default();
    let ended = loop {
        let result = tokio::select! {
            biased;
            () = &mut stopping => Err(ConnectionEnd::Stopping),
            () = &mut replaced => Err(ConnectionEnd::Replaced),
            changes = &mut access => {
                access.set(changes.next());
                Box::pin(recheck_access(wire, requester, service)).await
            }
            Some(notice) = inbox.recv() => wire.send(&IndexMessage::Notice(notice)).await.map_err(ConnectionEnd::from),
            (request, result) = offers.next() => {
                Box::pin(send_offer_reply(wire, request, result, (&node_session, service))).await
            }
            body = wire.next_body(), if offers.has_room() => match body {
                Ok(body) => {
                    let node = (&mut session, &mut offers, &node_session, requester);
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
        // Nobody searches any more, and unlisting the files of all nodes would delay the shutdown.
        service.directory.remove_session(&node_session);
    } else {
        service.directory.end_session(&node_session);
    }
    service.registrar.node_left(node_session.node).await;
    ended
}

/// Ends the connection if the access lists no longer admit its node or address.
async fn recheck_access(
    wire: &mut FrameStream,
    (id, address): (NodeId, IpAddr),
    service: &IndexService,
) -> Result<(), ConnectionEnd> {
    let allowed = service.access.check_address(address).and_then(|()| service.access.check_node(&id));
    let Err(refusal) = allowed else { return Ok(()) };
    service.metrics.refusals.count(&refusal);
    wire.send(&IndexMessage::Notice(Notice::Refused(refusal.clone()))).await?;
    Err(ConnectionEnd::Refused(refusal))
}

/// Starts probing a node; stops when the returned token is cancelled.
fn start_probing(
    probe_target: ProbeTarget,
    notices: mpsc::Sender<Notice>,
    service: &Arc<IndexService>,
) -> CancellationToken {
    let stop = probe_target.session.replaced.child_token();
    let (shared, token) = (Arc::clone(service), stop.clone());
    let probing = async move {
        tokio::select! {
            () = probe_until_reachable(probe_target, &shared, (notices, token.clone())) => {}
            () = token.cancelled() => {}
        }
    };
    service.tasks.spawn(probing.in_current_span());
    stop
}

/// A decoded request, and the action that the session allows or refuses.
struct ReceivedRequest {
    id: RequestId,
    class: RequestClass,
    action: Result<SessionAction, Refusal>,
}

/// Decodes and admits a message; the scan worker does this for long ones.
async fn receive(
    body: MessageBody,
    session: &mut OpenSession,
    requester: (NodeId, IpAddr),
    service: &Arc<IndexService>,
) -> Result<ReceivedRequest, FrameStreamError> {
    if !body.is_long() {
        return admit_request(body, session, requester, service);
    }
    let (mut own, shared) = (session.clone(), Arc::clone(service));
    let work = move || (admit_request(body, &mut own, requester, &shared), own);
    let Some((received, session_after)) = service.scan_worker.run(work).await else {
        // There is no worker once the index is shutting down.
        if !service.stop.is_cancelled() {
            error!(node = %requester.0.short(), "internal error: a long message was not decoded");
        }
        return Err(FrameStreamError::Closed);
    };
    *session = session_after;
    received
}

fn admit_request(
    body: MessageBody,
    session: &mut OpenSession,
    requester: (NodeId, IpAddr),
    service: &IndexService,
) -> Result<ReceivedRequest, FrameStreamError> {
    let (id, request) = match decode(body, session.version())? {
        DecodedRequest::Known(RequestEnvelope { id, request }) => (id, request),
        DecodedRequest::Unknown { id, kind: unknown } => {
            let class = RequestClass::Query;
            let admitted = service.quotas.admit(Instant::now(), requester, class);
            let action = admitted.and(Err(Refusal::Unsupported { kind: unknown }));
            return Ok(ReceivedRequest { id, class, action });
        }
    };
    let class = RequestClass::of(&request);
    let admitted = service.quotas.admit(Instant::now(), requester, class);
    let admitted = admitted.and_then(|()| requests::admit_search(class, requester, service));
    let action = admitted.and_then(|()| session.handle(request));
    Ok(ReceivedRequest { id, class, action })
}

/// Decodes a request. In version 1 a request of an unknown kind is malformed.
fn decode(body: MessageBody, version: Version) -> Result<DecodedRequest, FrameStreamError> {
    match version {
        Version::One => Ok(DecodedRequest::Known(body.decode()?)),
        Version::Two => Ok(body.decode_request()?),
    }
}

/// Answers one request. The reply to an offer of a torrent is sent later by [`send_offer_reply`], but before any other reply.
async fn handle_request(
    wire: &mut FrameStream,
    body: MessageBody,
    (session, offers, node_session, requester): (
        &mut OpenSession,
        &mut PendingOffers,
        &NodeSession,
        (NodeId, IpAddr),
    ),
    service: &Arc<IndexService>,
) -> Result<(), ConnectionEnd> {
    let received_at = Instant::now();
    let ReceivedRequest { id, class, action } = match receive(body, session, requester, service).await {
        Ok(received) => received,
        Err(error) => return Err(refuse_unreadable(wire, error, service).await),
    };
    let action = match action {
        Ok(SessionAction::Offer(offer)) => {
            let answer = requests::begin_offer(offer, node_session, requester, service).await;
            offers.push(OfferRequest { id, received_at }, answer);
            return Ok(());
        }
        Ok(SessionAction::Immediate(action)) => Ok(action),
        Err(refusal) => Err(refusal),
    };
    // Replies are sent in the order of the requests.
    while !offers.is_empty() {
        let (request, result) = offers.next().await;
        send_offer_reply(wire, request, result, (node_session, service)).await?;
    }
    let reply = match action {
        Err(refusal) => return refuse(wire, id, refusal, service).await,
        Ok(ImmediateAction::Change(change)) => {
            let result = service.registrar.change(node_session, change).await;
            replies::list_reply(result.map_err(|refusal| requests::refusal_for(refusal, session.features())))
        }
        Ok(ImmediateAction::Renew) => {
            replies::list_reply(service.directory.summary(node_session.node).ok_or(Refusal::StoreUnavailable))
        }
        Ok(ImmediateAction::Read(request)) => {
            let any_names = session.features().contains(IndexFeatures::ANY_NAMES);
            requests::reply_to(request, (node_session.node, requester, any_names), service).await
        }
    };
    let metrics = &service.metrics;
    let histogram = match class {
        RequestClass::Registration => &metrics.registrations,
        RequestClass::Search => &metrics.searches,
        RequestClass::Query => &metrics.queries,
    };
    send_reply(wire, (id, reply), (histogram, received_at), (node_session, service)).await
}

/// Sends the reply to an offer of a torrent.
async fn send_offer_reply(
    wire: &mut FrameStream,
    OfferRequest { id, received_at }: OfferRequest,
    result: Result<u32, Refusal>,
    (node_session, service): (&NodeSession, &IndexService),
) -> Result<(), ConnectionEnd> {
    let reply = replies::offers_reply(result, service.tracker_location.as_ref());
    send_reply(wire, (id, reply), (&service.metrics.queries, received_at), (node_session, service)).await
}

/// Sends a reply and records its latency.
async fn send_reply(
    wire: &mut FrameStream,
    (id, reply): (RequestId, Reply),
    (histogram, received_at): (&Histogram, Instant),
    (node_session, service): (&NodeSession, &IndexService),
) -> Result<(), ConnectionEnd> {
    // The newer session has taken over, so the client gets the notice instead of the reply.
    if node_session.replaced.is_cancelled() {
        return Err(ConnectionEnd::Replaced);
    }
    if let Reply::Refused(refusal) = &reply {
        service.metrics.refusals.count(refusal);
    }
    histogram.record(received_at.elapsed());
    Ok(wire.send(&IndexMessage::Reply { id, reply }).await?)
}

/// Refuses a request; ends the connection if the refusal is final.
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

/// Notifies the client of a malformed message or a lack of memory, if that ended the connection; returns why the connection
/// ends.
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

/// Sends a final notice if there is one, and closes the connection.
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

fn log_end(ended: &ConnectionEnd, throttle: &LogThrottle) {
    let reason = ended.to_string();
    let reason = display_safe(&reason);
    match ended {
        ConnectionEnd::Stream(FrameStreamError::Closed | FrameStreamError::Io(_))
        | ConnectionEnd::Stopping => debug!(%reason, "disconnected"),
        ConnectionEnd::Replaced => info!(%reason, "disconnected"),
        // These include unauthenticated clients, of which there may be thousands.
        ConnectionEnd::Stream(_)
        | ConnectionEnd::Refused(_)
        | ConnectionEnd::NotAClient(_)
        | ConnectionEnd::Exhausted(_) => match throttle.admit(Instant::now()) {
            Some(0) => warn!(%reason, "connection closed"),
            Some(suppressed) => warn!(%reason, suppressed, "connection closed"),
            None => debug!(%reason, "connection closed"),
        },
    }
}
