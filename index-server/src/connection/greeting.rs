//! The beginning of a connection: preambles, greeting, challenge, proof, welcome, all within one deadline.

use std::net::SocketAddr;
use std::time::SystemTime;

use protocol::features::IndexFeatures;
use protocol::index::{FromIndex, Refusal, Reply, RequestId, ToIndex};
use protocol::limits::MAX_FRAME;
use protocol::node_id::NodeId;
use protocol::preamble::{self, PreambleError, Service as Kind, Version};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::info;

use super::{Ended, refuse, refuse_unread};
use crate::caller::Callee;
use crate::directory::Arrival;
use crate::household::Household;
use crate::server::Service;
use crate::session::{Session, Step};
use crate::wire::{Times, Wire, WireError};

/// The longest message of somebody who has not proven who it is, in bytes.
const GREETING_LEN: usize = 1024;

/// The features that this index announces.
const FEATURES: IndexFeatures = IndexFeatures::SEARCH_WITH_SOURCES
    .with(IndexFeatures::ANY_NAMES)
    .with(IndexFeatures::SUGGESTIONS)
    .with(IndexFeatures::FIND_NODES)
    .with(IndexFeatures::KEEPS_TORRENTS)
    .with(IndexFeatures::TORRENT_KEYS)
    .with(IndexFeatures::UNREACHABLE_REPORTS);

/// A node that has been welcomed.
pub(super) struct Greeted {
    pub(super) session: Session,
    pub(super) id: NodeId,
    pub(super) arrival: Arrival,
    pub(super) callee: Callee,
}

/// Makes a client's wire, with the tight limits of a greeting.
pub(super) fn wire(stream: TcpStream, service: &Service) -> Wire {
    let limits = &service.limits;
    Wire::new(stream, GREETING_LEN, Times { silence: limits.lease, frame: limits.frame, write: limits.write })
}

/// A node that has proven who it is.
struct Proven {
    session: Session,
    nonce: [u8; 32],
    node: NodeId,
    address: SocketAddr,
    /// The request that awaits its welcome.
    id: RequestId,
}

/// Greets a client.
pub(super) async fn greet(wire: &mut Wire, peer: SocketAddr, service: &Service) -> Result<Greeted, Ended> {
    let limit = service.limits.greeting;
    let proven = timeout(limit, identify(wire, peer, service))
        .await
        .unwrap_or(Err(WireError::Silent(limit).into()))?;
    let Proven { session, nonce, node, address, id } = proven;
    if let Err(refusal) = service.access.judge_node(&node) {
        refuse(wire, id, refusal, service).await?;
    }
    let arrival = service.directory.arrive(node, address).ok_or(Ended::Exhausted("node numbers"))?;
    let loopback_counts = service.limits.quotas.loopback_counts;
    let household = Household::of(arrival.node, address.ip(), loopback_counts);
    service.directory.count_at(&arrival, household.address());
    let lease = u32::try_from(service.limits.lease.as_secs()).unwrap_or(u32::MAX);
    let (files, features) = (arrival.list.files, session.features());
    info!(node = %node.short(), port = address.port(), files, ?features, "welcome");
    let reply = Reply::Welcome { you: address, lease, list: arrival.list };
    wire.set_frame_limit(MAX_FRAME);
    if let Err(error) = wire.send(&FromIndex::Reply { id, reply }).await {
        service.directory.leave(&arrival);
        service.registrar.left(arrival.node).await;
        return Err(error.into());
    }
    let callee = Callee { arrival: arrival.clone(), address, nonce };
    Ok(Greeted { session, id: node, arrival, callee })
}

async fn identify(wire: &mut Wire, peer: SocketAddr, service: &Service) -> Result<Proven, Ended> {
    let version = swap_preambles(wire).await?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| Ended::Exhausted("random numbers"))?;
    let mut session = Session::new(version, nonce, wire.port_of_ours(peer.ip()));
    loop {
        let ToIndex { id, request } = match wire.next().await {
            Ok(message) => message,
            Err(error) => return Err(refuse_unread(wire, error, service).await),
        };
        match session.hear(request) {
            Ok(Step::Challenge { nonce }) => {
                wire.send(&FromIndex::Reply { id, reply: challenge(version, nonce) }).await?;
            }
            Ok(Step::Welcome { node, port }) => {
                return Ok(Proven { session, nonce, node, address: SocketAddr::new(peer.ip(), port), id });
            }
            // Nothing else gets past a session that is not open.
            Ok(_) => return Err(Ended::Refused(Refusal::OutOfOrder { expected: "a greeting".into() })),
            Err(refusal) => refuse(wire, id, refusal, service).await?,
        }
    }
}

/// Returns the answer to a greeting of a version.
fn challenge(version: Version, nonce: [u8; 32]) -> Reply {
    match version {
        Version::One => Reply::Challenge { nonce },
        Version::Two => Reply::Greeting { nonce, features: FEATURES, time: seconds_since_1970() },
    }
}

/// Returns the time of this machine, 0 if its clock stands before 1970.
fn seconds_since_1970() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

/// Reads the client's preamble and answers it with ours, unless it is a stranger's, who gets no answer at all. Returns the
/// version of the connection.
async fn swap_preambles(wire: &mut Wire) -> Result<Version, Ended> {
    let checked = preamble::check(wire.read_preamble().await?, Kind::Index);
    if checked != Err(PreambleError::NotPeerdex) {
        wire.write_raw(&preamble::encode(Kind::Index, preamble::answer_version(&checked))).await?;
    }
    checked.map_err(|error| Ended::Stranger(error.to_string()))
}
