//! The protocol state of one node's session. Pure: no socket, no clock, and the nonce is an argument.
//!
//! A greeting, a proof, and then requests in any order, except that a list must be started before it is ended. Violations are
//! refused; [`is_final`] determines which refusals close the connection.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use ed25519_dalek::{Signature, VerifyingKey};
use protocol::features::IndexFeatures;
use protocol::index::{FileRecord, Refusal, Request, SearchCursor, proof_text};
use protocol::limits::{
    MAX_AGENT, MAX_BATCH, MAX_CURSOR_HITS, MAX_HITS, MAX_LISTING, MAX_REPORTED, MAX_SOURCES,
};
use protocol::node_id::NodeId;
use protocol::preamble::Version;
use protocol::query::{DigestPrefix, Query};
use protocol::share_path::SharePath;

use crate::bad_record::{bad_record, conflicting_sizes};
use crate::keyed_hash::KeyedState;
use crate::request::{ListChange, OfferChange, ReadRequest, SentMarks};

/// The state of one connection.
#[derive(Debug, Clone)]
pub(crate) struct ClientSession {
    version: Version,
    nonce: [u8; 32],
    /// A port that cannot be the node's, since the index itself listens on it.
    reserved_port: Option<u16>,
    /// The features that the node announced in its greeting.
    features: IndexFeatures,
    phase: SessionPhase,
}

#[derive(Debug, Clone)]
enum SessionPhase {
    Greeting,
    Proving { node: NodeId, port: u16 },
    Open { listing: bool },
}

/// What to do about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionAction {
    /// Reply with this challenge.
    Challenge { nonce: [u8; 32] },
    /// The node has proven its identity: welcome it.
    Welcome { node: NodeId, port: u16 },
    /// Change the node's list, and reply with its summary.
    Change(ListChange),
    /// Reply with the list's summary.
    Renew,
    /// Change the node's torrent offers, and reply with their number.
    Offer(OfferChange),
    /// Answer a read request.
    Read(ReadRequest),
}

/// Returns true if a refusal closes the connection.
pub(crate) const fn is_final(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Malformed { .. }
        | Refusal::OutOfOrder { .. }
        | Refusal::BadProof
        | Refusal::BadPort { .. }
        | Refusal::Busy { .. }
        | Refusal::NotAllowed { .. } => true,
        Refusal::BadQuery { .. }
        | Refusal::BadRecord { .. }
        | Refusal::TooMany { .. }
        | Refusal::OverBudget { .. }
        | Refusal::NoSuchPeer
        | Refusal::TooFast { .. }
        | Refusal::StoreUnavailable
        | Refusal::Unsupported { .. } => false,
    }
}

impl ClientSession {
    pub(crate) const fn new(version: Version, nonce: [u8; 32], reserved_port: Option<u16>) -> Self {
        Self { version, nonce, reserved_port, features: IndexFeatures::NONE, phase: SessionPhase::Greeting }
    }

    /// Returns the protocol version of the connection.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Returns the features that the node announced in its greeting.
    pub(crate) const fn features(&self) -> IndexFeatures {
        self.features
    }

    /// Handles a request; returns what to do about it.
    pub(crate) fn handle(&mut self, request: Request) -> Result<SessionAction, Refusal> {
        match (&mut self.phase, request) {
            (SessionPhase::Greeting, Request::Hello { node, port, agent })
                if self.version == Version::One =>
            {
                self.hello(node, port, &agent)
            }
            (SessionPhase::Greeting, Request::Greet { node, port, agent, features })
                if self.version >= Version::Two =>
            {
                self.features = features;
                self.hello(node, port, &agent)
            }
            (SessionPhase::Greeting, _) => Err(out_of_order("a greeting")),
            (SessionPhase::Proving { node, port }, Request::Proof { signature }) => {
                let (node, port) = (*node, *port);
                check_proof(&self.nonce, &node, port, &signature)?;
                self.phase = SessionPhase::Open { listing: false };
                Ok(SessionAction::Welcome { node, port })
            }
            (SessionPhase::Proving { .. }, _) => Err(out_of_order("a proof")),
            (SessionPhase::Open { listing }, request) => {
                check_names(&request, self.features)?;
                handle_open(listing, request)
            }
        }
    }

    fn hello(&mut self, node: NodeId, port: u16, agent: &str) -> Result<SessionAction, Refusal> {
        if agent.len() > MAX_AGENT {
            return Err(Refusal::Malformed { reason: format!("the agent is longer than {MAX_AGENT} bytes") });
        }
        if port == 0 || Some(port) == self.reserved_port {
            return Err(Refusal::BadPort { port });
        }
        self.phase = SessionPhase::Proving { node, port };
        Ok(SessionAction::Challenge { nonce: self.nonce })
    }
}

fn handle_open(listing: &mut bool, request: Request) -> Result<SessionAction, Refusal> {
    let action = match request {
        Request::BeginList => {
            *listing = true;
            SessionAction::Change(ListChange::Begin)
        }
        Request::EndList if !*listing => return Err(out_of_order("the beginning of a list before its end")),
        Request::EndList => {
            *listing = false;
            SessionAction::Change(ListChange::End)
        }
        Request::Register { files } => {
            check_batch(files.len())?;
            files.iter().try_for_each(check_file)?;
            check_sizes(&files)?;
            SessionAction::Change(ListChange::Register(files))
        }
        Request::Unregister { paths } => {
            check_batch(paths.len())?;
            SessionAction::Change(ListChange::Unregister(paths))
        }
        Request::Renew => SessionAction::Renew,
        Request::Search { query, after, limit } => search(&query, after, limit, false)?,
        Request::SearchWithSources { query, after, limit } => search(&query, after, limit, true)?,
        Request::Locate { digest, limit } => {
            SessionAction::Read(ReadRequest::Locate { digest, limit: clamp(limit, MAX_SOURCES) })
        }
        Request::Browse { peer, after, limit } => {
            SessionAction::Read(ReadRequest::Browse { peer, after, limit: clamp(limit, MAX_LISTING) })
        }
        Request::Statistics => SessionAction::Read(ReadRequest::Statistics),
        Request::OfferTorrent { hint } => {
            hint.check().map_err(|error| bad_record(&hint.name, &error))?;
            SessionAction::Offer(OfferChange::Add(hint))
        }
        Request::WithdrawTorrent { infohash } => SessionAction::Offer(OfferChange::Withdraw(infohash)),
        Request::FindTorrent { infohash } => SessionAction::Read(ReadRequest::FindTorrent { infohash }),
        Request::FindTorrentByKey { key } => SessionAction::Read(ReadRequest::FindTorrentByKey { key }),
        Request::TorrentsOf { digest } => SessionAction::Read(ReadRequest::TorrentsOf { digest }),
        Request::Suggest { query } => SessionAction::Read(ReadRequest::Suggest { query: parse(&query)? }),
        Request::FindNodes { prefix } => {
            let prefix = DigestPrefix::parse(&prefix)
                .map_err(|error| Refusal::BadQuery { reason: error.to_string() })?;
            SessionAction::Read(ReadRequest::FindNodes { prefix })
        }
        Request::ReportUnreachable { nodes } => {
            if nodes.len() > MAX_REPORTED {
                return Err(Refusal::TooMany {
                    what: "nodes in one report".into(),
                    limit: MAX_REPORTED as u64,
                });
            }
            SessionAction::Read(ReadRequest::ReportUnreachable { nodes })
        }
        Request::Hello { .. } | Request::Greet { .. } | Request::Proof { .. } => {
            return Err(out_of_order("anything but a greeting"));
        }
    };
    Ok(action)
}

fn search(
    query: &str,
    after: Option<SearchCursor>,
    limit: u16,
    with_sources: bool,
) -> Result<SessionAction, Refusal> {
    let query = parse(query)?;
    let sent = after.map(|after| after.sent).unwrap_or_default();
    if sent.len() > MAX_CURSOR_HITS {
        return Err(Refusal::TooMany { what: "hits of one search".into(), limit: MAX_CURSOR_HITS as u64 });
    }
    let after = SentMarks::from(sent);
    Ok(SessionAction::Read(ReadRequest::Search { query, after, limit: clamp(limit, MAX_HITS), with_sources }))
}

fn parse(query: &str) -> Result<Query, Refusal> {
    Query::parse(query).map_err(|error| Refusal::BadQuery { reason: error.to_string() })
}

fn check_proof(nonce: &[u8; 32], node: &NodeId, port: u16, signature: &[u8; 64]) -> Result<(), Refusal> {
    let key = VerifyingKey::from_bytes(node.as_bytes()).map_err(|_| Refusal::BadProof)?;
    let text = proof_text(nonce, node, port);
    key.verify_strict(&text, &Signature::from_bytes(signature)).map_err(|_| Refusal::BadProof)
}

fn check_batch(len: usize) -> Result<(), Refusal> {
    let too_many = || Refusal::TooMany { what: "files in one message".into(), limit: MAX_BATCH as u64 };
    (len <= MAX_BATCH).then_some(()).ok_or_else(too_many)
}

/// Refuses names that release 0.1.0 does not accept, if the node has not announced that it accepts them: it would not accept
/// them from the index either.
fn check_names(request: &Request, features: IndexFeatures) -> Result<(), Refusal> {
    if features.contains(IndexFeatures::ANY_NAMES) {
        return Ok(());
    }
    let is_odd = |name: &&str| SharePath::parse(name).is_ok_and(|path| !path.is_basic());
    let odd = match request {
        Request::Register { files } => files.iter().map(|file| file.path.as_str()).find(is_odd),
        Request::OfferTorrent { hint } => Some(hint.name.as_str()).filter(is_odd),
        _ => None,
    };
    let error = "only nodes that announce support for any names may register it";
    odd.map_or(Ok(()), |name| Err(bad_record(name, &error)))
}

fn check_file(file: &FileRecord) -> Result<(), Refusal> {
    file.check().map(drop).map_err(|error| bad_record(&file.path, &error))
}

/// Refuses files that give one content two sizes.
fn check_sizes(files: &[FileRecord]) -> Result<(), Refusal> {
    let mut sizes = HashMap::with_capacity_and_hasher(files.len(), KeyedState::default());
    let other = files.iter().find(|file| *sizes.entry(file.digest).or_insert(file.size) != file.size);
    other.map_or(Ok(()), |file| Err(conflicting_sizes(&file.path)))
}

fn out_of_order(expected: &str) -> Refusal {
    Refusal::OutOfOrder { expected: expected.into() }
}

fn clamp(limit: u16, max: u16) -> usize {
    usize::from(limit.clamp(1, max))
}
