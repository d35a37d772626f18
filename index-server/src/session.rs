//! The protocol state of one node's session. Pure: no socket, no clock, and the nonce is an argument.
//!
//! A [`GreetingSession`] takes a greeting and a proof, which makes it an [`OpenSession`]. That takes requests in any order, except
//! that a list must be started before it is ended. Violations are refused; [`is_final`] determines which refusals close the
//! connection.

mod greeting;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use protocol::features::IndexFeatures;
use protocol::index::{FileRecord, Refusal, Request, SearchCursor};
use protocol::limits::{MAX_BATCH, MAX_CURSOR_HITS, MAX_HITS, MAX_LISTING, MAX_REPORTED, MAX_SOURCES};
use protocol::preamble::Version;
use protocol::query::{DigestPrefix, Query};
use protocol::share_path::SharePath;

pub(crate) use greeting::{GreetingAction, GreetingSession};

use crate::bad_record::{bad_record, conflicting_sizes};
use crate::keyed_hash::KeyedState;
use crate::request::{ListChange, OfferChange, ReadRequest, SentMarks};

/// The state of a connection whose node has proven its identity.
#[derive(Debug, Clone)]
pub(crate) struct OpenSession {
    version: Version,
    /// The features that the node announced in its greeting.
    features: IndexFeatures,
    /// Whether a list was started and not ended.
    is_listing: bool,
}

/// What to do about a request of an open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionAction {
    /// Change the node's torrent offers, and reply with their number. The next request need not wait for that.
    Offer(OfferChange),
    /// Reply before the next request is read.
    Immediate(ImmediateAction),
}

/// An action whose reply is sent before the next request is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImmediateAction {
    /// Change the node's list, and reply with its summary.
    Change(ListChange),
    /// Reply with the list's summary.
    Renew,
    /// Answer a read request.
    Read(ReadRequest),
}

impl From<ImmediateAction> for SessionAction {
    fn from(action: ImmediateAction) -> Self {
        Self::Immediate(action)
    }
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

impl OpenSession {
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
        check_names(&request, self.features)?;
        handle_open(&mut self.is_listing, request)
    }
}

fn handle_open(is_listing: &mut bool, request: Request) -> Result<SessionAction, Refusal> {
    let action = match request {
        Request::BeginList => {
            *is_listing = true;
            ImmediateAction::Change(ListChange::Begin)
        }
        Request::EndList if !*is_listing => {
            return Err(out_of_order("the beginning of a list before its end"));
        }
        Request::EndList => {
            *is_listing = false;
            ImmediateAction::Change(ListChange::End)
        }
        Request::Register { files } => {
            check_batch(files.len())?;
            files.iter().try_for_each(check_file)?;
            check_sizes(&files)?;
            ImmediateAction::Change(ListChange::Register(files))
        }
        Request::Unregister { paths } => {
            check_batch(paths.len())?;
            ImmediateAction::Change(ListChange::Unregister(paths))
        }
        Request::Renew => ImmediateAction::Renew,
        Request::Search { query, after, limit } => search(&query, after, limit, false)?,
        Request::SearchWithSources { query, after, limit } => search(&query, after, limit, true)?,
        Request::Locate { digest, limit } => {
            ImmediateAction::Read(ReadRequest::Locate { digest, limit: clamp(limit, MAX_SOURCES) })
        }
        Request::Browse { peer, after, limit } => {
            ImmediateAction::Read(ReadRequest::Browse { peer, after, limit: clamp(limit, MAX_LISTING) })
        }
        Request::Statistics => ImmediateAction::Read(ReadRequest::Statistics),
        Request::OfferTorrent { hint } => {
            hint.check().map_err(|error| bad_record(&hint.name, &error))?;
            return Ok(SessionAction::Offer(OfferChange::Add(hint)));
        }
        Request::WithdrawTorrent { infohash } => {
            return Ok(SessionAction::Offer(OfferChange::Withdraw(infohash)));
        }
        Request::FindTorrent { infohash } => ImmediateAction::Read(ReadRequest::FindTorrent { infohash }),
        Request::FindTorrentByKey { key } => ImmediateAction::Read(ReadRequest::FindTorrentByKey { key }),
        Request::TorrentsOf { digest } => ImmediateAction::Read(ReadRequest::TorrentsOf { digest }),
        Request::Suggest { query } => ImmediateAction::Read(ReadRequest::Suggest { query: parse(&query)? }),
        Request::FindNodes { prefix } => {
            let prefix = DigestPrefix::parse(&prefix)
                .map_err(|error| Refusal::BadQuery { reason: error.to_string() })?;
            ImmediateAction::Read(ReadRequest::FindNodes { prefix })
        }
        Request::ReportUnreachable { nodes } => {
            check_report(nodes.len())?;
            ImmediateAction::Read(ReadRequest::ReportUnreachable { nodes })
        }
        Request::Hello { .. } | Request::Greet { .. } | Request::Proof { .. } => {
            return Err(out_of_order("anything but a greeting"));
        }
    };
    Ok(action.into())
}

fn search(
    query: &str,
    after: Option<SearchCursor>,
    limit: u16,
    with_sources: bool,
) -> Result<ImmediateAction, Refusal> {
    let query = parse(query)?;
    let sent = after.map(|after| after.sent).unwrap_or_default();
    if sent.len() > MAX_CURSOR_HITS {
        return Err(Refusal::TooMany { what: "hits of one search".into(), limit: MAX_CURSOR_HITS as u64 });
    }
    let after = SentMarks::from(sent);
    Ok(ImmediateAction::Read(ReadRequest::Search {
        query,
        after,
        limit: clamp(limit, MAX_HITS),
        with_sources,
    }))
}

fn parse(query: &str) -> Result<Query, Refusal> {
    Query::parse(query).map_err(|error| Refusal::BadQuery { reason: error.to_string() })
}

fn check_batch(len: usize) -> Result<(), Refusal> {
    let too_many = || Refusal::TooMany { what: "files in one message".into(), limit: MAX_BATCH as u64 };
    (len <= MAX_BATCH).then_some(()).ok_or_else(too_many)
}

fn check_report(len: usize) -> Result<(), Refusal> {
    let too_many = || Refusal::TooMany { what: "nodes in one report".into(), limit: MAX_REPORTED as u64 };
    (len <= MAX_REPORTED).then_some(()).ok_or_else(too_many)
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
