//! The requests of callers to the index, and the checks of the replies.

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::index::{
    ContentSource, FileRecord, Hit, HitWithSources, NodeAddress, PeerRef, Reply, Request, SearchCursor,
    Statistics, TorrentHint, TrackerLocation, WordSuggestions,
};
use protocol::infohash::Infohash;
use protocol::limits::{
    MAX_ALTERNATIVES, MAX_CURSOR_HITS, MAX_FILE_SIZE, MAX_HIT_NAMES, MAX_HIT_SOURCES, MAX_NODES_FOUND,
    MAX_SOURCED_HITS, MAX_TORRENT_HINTS, MAX_UNKNOWN_WORDS,
};
use protocol::node_id::NodeId;
use protocol::share_path::SharePath;
use tokio::sync::oneshot;

use super::IndexError;
use super::sanitize::sanitize_refusal;
use super::session_error::IndexViolation;

/// The sender of a caller's answer.
pub(super) type AnswerSender<T> = oneshot::Sender<Result<T, IndexError>>;

/// A page of search results.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// The hits, best match first.
    pub hits: Vec<Hit>,
    /// Cursor of the next page; `None` on the last page.
    pub more: Option<SearchCursor>,
    /// True if the index stopped the search early, so there may be more hits than the pages contain.
    pub is_truncated: bool,
    /// Some of the sources of the first hits, if the index supplies them.
    pub sources: Vec<(Digest, Vec<ContentSource>)>,
}

/// A peer's node id, a page of its files, and whether more follow.
pub(super) type PeerListing = (NodeId, Vec<FileRecord>, bool);

/// A request of a caller.
#[derive(Debug)]
pub(super) enum Command {
    /// [`Request::Search`].
    Search { query: String, after: Option<SearchCursor>, limit: u16, answer: AnswerSender<SearchPage> },
    /// [`Request::Locate`].
    Locate { digest: Digest, limit: u16, answer: AnswerSender<Vec<ContentSource>> },
    /// [`Request::Browse`].
    Browse { peer: PeerRef, after: Option<String>, limit: u16, answer: AnswerSender<PeerListing> },
    /// [`Request::Statistics`].
    Statistics { answer: AnswerSender<Statistics> },
    /// [`Request::OfferTorrent`].
    Offer { hint: TorrentHint, answer: AnswerSender<Option<TrackerLocation>> },
    /// [`Request::WithdrawTorrent`].
    Withdraw { infohash: Infohash, answer: AnswerSender<()> },
    /// [`Request::FindTorrent`].
    FindTorrent { infohash: Infohash, answer: AnswerSender<Vec<TorrentHint>> },
    /// [`Request::FindTorrentByKey`].
    FindTorrentByKey { key: TorrentKey, answer: AnswerSender<Vec<TorrentHint>> },
    /// [`Request::TorrentsOf`].
    TorrentsOf { digest: Digest, answer: AnswerSender<Vec<TorrentHint>> },
    /// [`Request::Suggest`].
    Suggest { query: String, answer: AnswerSender<Vec<WordSuggestions>> },
    /// [`Request::FindNodes`].
    FindNodes { prefix: String, answer: AnswerSender<Vec<NodeAddress>> },
    /// [`Request::ReportUnreachable`].
    ReportUnreachable { places: Vec<NodeAddress>, answer: AnswerSender<u32> },
}

impl Command {
    /// Returns the protocol request for an index with these features.
    pub(super) fn request(&self, features: IndexFeatures) -> Request {
        match self {
            Self::Search { query, after, limit, .. } => {
                let (query, after, limit) = (query.clone(), after.clone(), *limit);
                if features.contains(IndexFeatures::SEARCH_WITH_SOURCES) {
                    Request::SearchWithSources { query, after, limit }
                } else {
                    Request::Search { query, after, limit }
                }
            }
            Self::Locate { digest, limit, .. } => Request::Locate { digest: *digest, limit: *limit },
            Self::Browse { peer, after, limit, .. } => {
                Request::Browse { peer: *peer, after: after.clone(), limit: *limit }
            }
            Self::Statistics { .. } => Request::Statistics,
            Self::Offer { hint, .. } => Request::OfferTorrent { hint: hint.clone() },
            Self::Withdraw { infohash, .. } => Request::WithdrawTorrent { infohash: *infohash },
            Self::FindTorrent { infohash, .. } => Request::FindTorrent { infohash: *infohash },
            Self::FindTorrentByKey { key, .. } => Request::FindTorrentByKey { key: *key },
            Self::TorrentsOf { digest, .. } => Request::TorrentsOf { digest: *digest },
            Self::Suggest { query, .. } => Request::Suggest { query: query.clone() },
            Self::FindNodes { prefix, .. } => Request::FindNodes { prefix: prefix.clone() },
            Self::ReportUnreachable { places, .. } => Request::ReportUnreachable { nodes: places.clone() },
        }
    }

    /// Returns true if an index with these features supports the request.
    pub(super) const fn is_supported_by(&self, features: IndexFeatures) -> bool {
        match self {
            Self::Suggest { .. } => features.contains(IndexFeatures::SUGGESTIONS),
            Self::FindNodes { .. } => features.contains(IndexFeatures::FIND_NODES),
            Self::FindTorrentByKey { .. } => features.contains(IndexFeatures::TORRENT_KEYS),
            Self::ReportUnreachable { .. } => features.contains(IndexFeatures::UNREACHABLE_REPORTS),
            _ => true,
        }
    }

    /// Returns true if no caller waits for the answer and the request has no other effect.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Search { answer, .. } => answer.is_closed(),
            Self::Locate { answer, .. } => answer.is_closed(),
            Self::Browse { answer, .. } => answer.is_closed(),
            Self::Statistics { answer } => answer.is_closed(),
            // These requests change something at the index.
            Self::Offer { .. } | Self::Withdraw { .. } | Self::ReportUnreachable { .. } => false,
            Self::FindTorrent { answer, .. }
            | Self::FindTorrentByKey { answer, .. }
            | Self::TorrentsOf { answer, .. } => answer.is_closed(),
            Self::Suggest { answer, .. } => answer.is_closed(),
            Self::FindNodes { answer, .. } => answer.is_closed(),
        }
    }

    /// Checks the reply and sends the answer to the caller.
    pub(super) fn answer(self, reply: Reply) -> Result<(), IndexViolation> {
        match self {
            Self::Search { limit, answer, .. } => deliver(answer, parse_hits(reply, limit)),
            Self::Locate { limit, answer, .. } => deliver(answer, parse_sources(reply, limit)),
            Self::Browse { after, limit, answer, .. } => {
                deliver(answer, parse_listing(reply, after.as_deref(), limit))
            }
            Self::Statistics { answer } => deliver(
                answer,
                match reply {
                    Reply::Statistics(statistics) => Ok(Ok(statistics)),
                    other => refusal_or_violation(other, "statistics"),
                },
            ),
            Self::Offer { answer, .. } => deliver(answer, parse_offer(reply)),
            Self::Withdraw { answer, .. } => deliver(answer, parse_offer(reply).map(|taken| taken.map(drop))),
            Self::FindTorrent { answer, .. }
            | Self::FindTorrentByKey { answer, .. }
            | Self::TorrentsOf { answer, .. } => deliver(answer, parse_torrents(reply)),
            Self::Suggest { answer, .. } => deliver(answer, parse_suggestions(reply)),
            Self::FindNodes { answer, .. } => deliver(answer, parse_nodes(reply)),
            Self::ReportUnreachable { answer, .. } => deliver(answer, parse_report(reply)),
        }
    }

    /// Sends an error to the caller.
    pub(super) fn fail(self, error: IndexError) {
        // The caller may have stopped waiting.
        match self {
            Self::Search { answer, .. } => drop(answer.send(Err(error))),
            Self::Locate { answer, .. } => drop(answer.send(Err(error))),
            Self::Browse { answer, .. } => drop(answer.send(Err(error))),
            Self::Statistics { answer } => drop(answer.send(Err(error))),
            Self::Offer { answer, .. } => drop(answer.send(Err(error))),
            Self::Withdraw { answer, .. } => drop(answer.send(Err(error))),
            Self::FindTorrent { answer, .. }
            | Self::FindTorrentByKey { answer, .. }
            | Self::TorrentsOf { answer, .. } => {
                drop(answer.send(Err(error)));
            }
            Self::Suggest { answer, .. } => drop(answer.send(Err(error))),
            Self::FindNodes { answer, .. } => drop(answer.send(Err(error))),
            Self::ReportUnreachable { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

/// The checked reply: an answer, an error for the caller, or a protocol violation.
type ReplyOutcome<T> = Result<Result<T, IndexError>, IndexViolation>;

fn deliver<T>(answer: AnswerSender<T>, outcome: ReplyOutcome<T>) -> Result<(), IndexViolation> {
    let (response, result) = match outcome {
        Ok(response) => (response, Ok(())),
        Err(violation) => (Err(IndexError::Offline { reason: violation.to_string() }), Err(violation)),
    };
    // The caller may have stopped waiting.
    drop(answer.send(response));
    result
}

fn refusal_or_violation<T>(reply: Reply, asked: &'static str) -> ReplyOutcome<T> {
    match reply {
        Reply::Refused(refusal) => Ok(Err(IndexError::Refused(sanitize_refusal(refusal)))),
        _ => Err(IndexViolation::WrongReply { expected: asked }),
    }
}

fn check_limit(what: &'static str, got: usize, limit: usize) -> Result<(), IndexViolation> {
    if got > limit { Err(IndexViolation::LimitExceeded { what, got, limit }) } else { Ok(()) }
}

fn parse_hits(reply: Reply, limit: u16) -> ReplyOutcome<SearchPage> {
    let (mut hits, sources, more, is_truncated) = match reply {
        Reply::Hits { hits, more, truncated } => (hits, Vec::new(), more, truncated),
        Reply::HitsWithSources { hits, more, truncated } => {
            let (hits, sources) = split_sources(hits)?;
            (hits, sources, more, truncated)
        }
        _ => return refusal_or_violation(reply, "hits"),
    };
    check_limit("hits", hits.len(), limit.into())?;
    // The cursor of an empty page would lead to endless requests.
    let more = more.filter(|_| !hits.is_empty());
    check_limit("cursor hits", more.as_ref().map_or(0, |more| more.sent.len()), MAX_CURSOR_HITS)?;
    for hit in &mut hits {
        check_limit("names", hit.names.len(), MAX_HIT_NAMES)?;
        hit.names.retain(|name| SharePath::parse(name).is_ok());
    }
    hits.retain(|hit| {
        let possible = hit.size <= MAX_FILE_SIZE && (hit.size == 0) == (hit.digest == Digest::EMPTY);
        possible && !hit.names.is_empty()
    });
    Ok(Ok(SearchPage { hits, more, is_truncated, sources }))
}

/// Sources by content.
type HitSources = Vec<(Digest, Vec<ContentSource>)>;

/// Separates the hits from their sources.
fn split_sources(page: Vec<HitWithSources>) -> Result<(Vec<Hit>, HitSources), IndexViolation> {
    let (mut hits, mut sources) = (Vec::with_capacity(page.len()), Vec::new());
    for HitWithSources { hit, sources: some } in page {
        check_limit("sources of a hit", some.len(), MAX_HIT_SOURCES)?;
        if !some.is_empty() {
            check_limit("hits with sources", sources.len() + 1, MAX_SOURCED_HITS)?;
            sources.push((hit.digest, some));
        }
        hits.push(hit);
    }
    Ok((hits, sources))
}

fn parse_sources(reply: Reply, limit: u16) -> ReplyOutcome<Vec<ContentSource>> {
    let Reply::Sources { sources } = reply else { return refusal_or_violation(reply, "sources") };
    check_limit("sources", sources.len(), limit.into())?;
    Ok(Ok(sources))
}

fn parse_offer(reply: Reply) -> ReplyOutcome<Option<TrackerLocation>> {
    let Reply::Offers { tracker, .. } = reply else { return refusal_or_violation(reply, "an offer") };
    Ok(Ok(tracker))
}

fn parse_suggestions(reply: Reply) -> ReplyOutcome<Vec<WordSuggestions>> {
    let Reply::Suggestions { words } = reply else { return refusal_or_violation(reply, "suggestions") };
    check_limit("words", words.len(), MAX_UNKNOWN_WORDS)?;
    for unknown in &words {
        check_limit("suggestions", unknown.alternatives.len(), MAX_ALTERNATIVES)?;
    }
    Ok(Ok(words))
}

fn parse_nodes(reply: Reply) -> ReplyOutcome<Vec<NodeAddress>> {
    let Reply::Nodes { nodes } = reply else { return refusal_or_violation(reply, "nodes") };
    check_limit("nodes", nodes.len(), MAX_NODES_FOUND)?;
    Ok(Ok(nodes))
}

fn parse_report(reply: Reply) -> ReplyOutcome<u32> {
    let Reply::Checking { nodes } = reply else { return refusal_or_violation(reply, "a report") };
    Ok(Ok(nodes))
}

fn parse_torrents(reply: Reply) -> ReplyOutcome<Vec<TorrentHint>> {
    let Reply::Torrents { mut hints } = reply else { return refusal_or_violation(reply, "torrents") };
    check_limit("torrents", hints.len(), MAX_TORRENT_HINTS)?;
    hints.retain(|hint| hint.check().is_ok());
    Ok(Ok(hints))
}

fn parse_listing(reply: Reply, after: Option<&str>, limit: u16) -> ReplyOutcome<PeerListing> {
    let Reply::Listing { source, files, more } = reply else {
        return refusal_or_violation(reply, "a listing");
    };
    check_limit("files", files.len(), limit.into())?;
    let mut last = after;
    for file in &files {
        if last.is_some_and(|last| last >= file.path.as_str()) {
            return Err(IndexViolation::BadListing { reason: "its paths are not sorted" });
        }
        if file.check().is_err() {
            return Err(IndexViolation::BadListing { reason: "it contains an invalid file" });
        }
        last = Some(&file.path);
    }
    if more && files.is_empty() {
        return Err(IndexViolation::BadListing { reason: "an empty page claims that more follow" });
    }
    Ok(Ok((source, files, more)))
}

#[cfg(test)]
mod tests;
