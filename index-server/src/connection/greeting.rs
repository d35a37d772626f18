//! The greeting of a connection: preambles, challenge, proof and welcome, within one timeout.

use std::net::SocketAddr;
use std::time::SystemTime;

use protocol::features::IndexFeatures;
use protocol::index::{IndexMessage, Reply, RequestEnvelope, RequestId};
use protocol::limits::MAX_FRAME;
use protocol::node_id::NodeId;
use protocol::preamble::{self, PreambleError, Service as Kind, Version};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::info;

use super::{ConnectionEnd, refuse, refuse_unreadable};
use crate::address_group::AddressGroup;
use crate::directory::NodeSession;
use crate::net::frame_stream::{FrameStream, FrameStreamError, FrameTimeouts};
use crate::reachability::ProbeTarget;
use crate::service::IndexService;
use crate::session::{GreetingAction, GreetingSession, OpenSession};

/// Maximum length in bytes of a message from a client that is not authenticated.
const MAX_GREETING_LEN: usize = 1024;

/// The features announced to clients.
const FEATURES: IndexFeatures = IndexFeatures::SEARCH_WITH_SOURCES
    .with(IndexFeatures::ANY_NAMES)
    .with(IndexFeatures::SUGGESTIONS)
    .with(IndexFeatures::FIND_NODES)
    .with(IndexFeatures::KEEPS_TORRENTS)
    .with(IndexFeatures::TORRENT_KEYS)
    .with(IndexFeatures::UNREACHABLE_REPORTS);

/// A node that has been welcomed.
pub(super) struct WelcomedNode {
    pub(super) session: OpenSession,
    pub(super) id: NodeId,
    pub(super) node_session: NodeSession,
    pub(super) probe_target: ProbeTarget,
}

/// Wraps a client's socket with the strict limits of the greeting.
pub(super) fn greeting_stream(stream: TcpStream, service: &IndexService) -> FrameStream {
    let limits = &service.limits;
    FrameStream::new(
        stream,
        MAX_GREETING_LEN,
        FrameTimeouts { idle: limits.lease, frame: limits.frame_timeout, write: limits.write_timeout },
    )
}

/// A node that has proven its identity.
struct ProvenNode {
    session: OpenSession,
    nonce: [u8; 32],
    node: NodeId,
    address: SocketAddr,
    /// The request that the welcome answers.
    id: RequestId,
}

/// Authenticates a client and starts its session.
pub(super) async fn greet(
    wire: &mut FrameStream,
    peer: SocketAddr,
    service: &IndexService,
) -> Result<WelcomedNode, ConnectionEnd> {
    let limit = service.limits.greeting_timeout;
    let proven = timeout(limit, identify(wire, peer, service))
        .await
        .unwrap_or(Err(FrameStreamError::Idle(limit).into()))?;
    let ProvenNode { session, nonce, node, address, id } = proven;
    if let Err(refusal) = service.access.check_node(&node) {
        refuse(wire, id, refusal.clone(), service).await?;
        return Err(ConnectionEnd::Refused(refusal));
    }
    let node_session =
        service.directory.start_session(node, address).ok_or(ConnectionEnd::Exhausted("node numbers"))?;
    let loopback_counts = service.limits.quotas.limit_loopback;
    let group = AddressGroup::of(node_session.node, address.ip(), loopback_counts);
    service.directory.set_list_address(&node_session, group.address());
    let lease = u32::try_from(service.limits.lease.as_secs()).unwrap_or(u32::MAX);
    let (files, features) = (node_session.summary.files, session.features());
    info!(node = %node.short(), port = address.port(), files, ?features, "node connected");
    let reply = Reply::Welcome { you: address, lease, list: node_session.summary };
    wire.set_frame_limit(MAX_FRAME);
    if let Err(error) = wire.send(&IndexMessage::Reply { id, reply }).await {
        service.directory.end_session(&node_session);
        service.registrar.node_left(node_session.node).await;
        return Err(error.into());
    }
    let probe_target = ProbeTarget { session: node_session.clone(), address, nonce };
    Ok(WelcomedNode { session, id: node, node_session, probe_target })
}

async fn identify(
    wire: &mut FrameStream,
    peer: SocketAddr,
    service: &IndexService,
) -> Result<ProvenNode, ConnectionEnd> {
    let version = exchange_preambles(wire).await?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| ConnectionEnd::Exhausted("random numbers"))?;
    let mut session = GreetingSession::new(version, nonce, wire.local_port_seen_at(peer.ip()));
    loop {
        let RequestEnvelope { id, request } = match wire.next().await {
            Ok(message) => message,
            Err(error) => return Err(refuse_unreadable(wire, error, service).await),
        };
        match session.handle(request) {
            Ok(GreetingAction::Challenge { nonce }) => {
                wire.send(&IndexMessage::Reply { id, reply: challenge(version, nonce) }).await?;
            }
            Ok(GreetingAction::Welcome { node, port, session }) => {
                let address = SocketAddr::new(peer.ip(), port);
                return Ok(ProvenNode { session, nonce, node, address, id });
            }
            Err(refusal) => refuse(wire, id, refusal, service).await?,
        }
    }
}

/// Returns the reply to a greeting.
fn challenge(version: Version, nonce: [u8; 32]) -> Reply {
    match version {
        Version::One => Reply::Challenge { nonce },
        Version::Two => Reply::Greeting { nonce, features: FEATURES, time: unix_time() },
    }
}

/// Returns the time of this machine in seconds since 1970; 0 if its clock is set to an earlier time.
fn unix_time() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

/// Reads the client's preamble and replies with ours, unless the client does not speak Peerdex. Returns the version of the
/// connection.
async fn exchange_preambles(wire: &mut FrameStream) -> Result<Version, ConnectionEnd> {
    let checked = preamble::check(wire.read_preamble().await?, Kind::Index);
    if checked != Err(PreambleError::NotPeerdex) {
        wire.write_raw(&preamble::encode(Kind::Index, preamble::reply_version(&checked))).await?;
    }
    checked.map_err(|error| ConnectionEnd::NotAClient(error.to_string()))
}
