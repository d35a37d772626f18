//! What a caller wants of the index, and what may come back.

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::index::{
    FileRecord, Hit, HitWithSources, NearWords, NodePlace, PeerRef, Reply, Request, SearchCursor, Source,
    Statistics, TorrentHint, TrackerPlace,
};
use protocol::infohash::Infohash;
use protocol::limits::{
    MAX_FILE_SIZE, MAX_HIT_NAMES, MAX_HIT_SOURCES, MAX_NEAR_WORDS, MAX_NODES_FOUND, MAX_SOURCED_HITS,
    MAX_TOLD, MAX_TORRENT_HINTS, MAX_UNKNOWN_WORDS,
};
use protocol::node_id::NodeId;
use protocol::share_path::SharePath;
use tokio::sync::oneshot;

use super::IndexError;
use super::plain_words::plain_refusal;
use super::session_error::Violation;

/// Where the answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, IndexError>>;

/// A page of a search.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// The hits, the best first.
    pub hits: Vec<Hit>,
    /// Where the next page begins; none if this is the last.
    pub more: Option<SearchCursor>,
    /// Whether the index cut the search off, so that there may be more all the same.
    pub is_cut: bool,
    /// Some of the sources of the first hits, if the index names them.
    pub sources: Vec<(Digest, Vec<Source>)>,
}

/// A page of a peer's files, and whether there are more.
pub(super) type Listing = (NodeId, Vec<FileRecord>, bool);

/// A question of the handle.
#[derive(Debug)]
pub(super) enum Command {
    /// [`Request::Search`].
    Search { query: String, after: Option<SearchCursor>, limit: u16, answer: Answer<SearchPage> },
    /// [`Request::Locate`].
    Locate { digest: Digest, limit: u16, answer: Answer<Vec<Source>> },
    /// [`Request::Browse`].
    Browse { peer: PeerRef, after: Option<String>, limit: u16, answer: Answer<Listing> },
    /// [`Request::Statistics`].
    Statistics { answer: Answer<Statistics> },
    /// [`Request::OfferTorrent`].
    Offer { hint: TorrentHint, answer: Answer<Option<TrackerPlace>> },
    /// [`Request::WithdrawTorrent`].
    Withdraw { infohash: Infohash, answer: Answer<()> },
    /// [`Request::FindTorrent`].
    FindTorrent { infohash: Infohash, answer: Answer<Vec<TorrentHint>> },
    /// [`Request::FindTorrentByKey`].
    FindTorrentByKey { key: TorrentKey, answer: Answer<Vec<TorrentHint>> },
    /// [`Request::TorrentsOf`].
    TorrentsOf { digest: Digest, answer: Answer<Vec<TorrentHint>> },
    /// [`Request::Suggest`].
    Suggest { query: String, answer: Answer<Vec<NearWords>> },
    /// [`Request::FindNodes`].
    FindNodes { prefix: String, answer: Answer<Vec<NodePlace>> },
    /// [`Request::ReportUnreachable`].
    ReportUnreachable { places: Vec<NodePlace>, answer: Answer<u32> },
}

impl Command {
    /// Makes the request to send to an index with these features.
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
            Self::ReportUnreachable { places, .. } => Request::ReportUnreachable { places: places.clone() },
        }
    }

    /// Returns true if an index with these features knows the request.
    pub(super) const fn is_known_to(&self, features: IndexFeatures) -> bool {
        match self {
            Self::Suggest { .. } => features.contains(IndexFeatures::SUGGESTIONS),
            Self::FindNodes { .. } => features.contains(IndexFeatures::FIND_NODES),
            Self::FindTorrentByKey { .. } => features.contains(IndexFeatures::TORRENT_KEYS),
            Self::ReportUnreachable { .. } => features.contains(IndexFeatures::UNREACHABLE_REPORTS),
            _ => true,
        }
    }

    /// Tells whether nobody waits for the answer any longer, and nothing else would come of it either.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Search { answer, .. } => answer.is_closed(),
            Self::Locate { answer, .. } => answer.is_closed(),
            Self::Browse { answer, .. } => answer.is_closed(),
            Self::Statistics { answer } => answer.is_closed(),
            // These change something at the index.
            Self::Offer { .. } | Self::Withdraw { .. } | Self::ReportUnreachable { .. } => false,
            Self::FindTorrent { answer, .. }
            | Self::FindTorrentByKey { answer, .. }
            | Self::TorrentsOf { answer, .. } => answer.is_closed(),
            Self::Suggest { answer, .. } => answer.is_closed(),
            Self::FindNodes { answer, .. } => answer.is_closed(),
        }
    }

    /// Gives the caller its answer, if the reply is one.
    pub(super) fn answer(self, reply: Reply) -> Result<(), Violation> {
        match self {
            Self::Search { limit, answer, .. } => give(answer, hits(reply, limit)),
            Self::Locate { limit, answer, .. } => give(answer, sources(reply, limit)),
            Self::Browse { after, limit, answer, .. } => {
                give(answer, listing(reply, after.as_deref(), limit))
            }
            Self::Statistics { answer } => give(
                answer,
                match reply {
                    Reply::Statistics(statistics) => Ok(Ok(statistics)),
                    other => refusal_or_wrong(other, "statistics"),
                },
            ),
            Self::Offer { answer, .. } => give(answer, offers(reply)),
            Self::Withdraw { answer, .. } => give(answer, offers(reply).map(|taken| taken.map(drop))),
            Self::FindTorrent { answer, .. }
            | Self::FindTorrentByKey { answer, .. }
            | Self::TorrentsOf { answer, .. } => give(answer, torrents(reply)),
            Self::Suggest { answer, .. } => give(answer, suggestions(reply)),
            Self::FindNodes { answer, .. } => give(answer, nodes(reply)),
            Self::ReportUnreachable { answer, .. } => give(answer, checking(reply)),
        }
    }

    /// Tells the caller that there is no answer.
    pub(super) fn fail(self, error: IndexError) {
        // A caller that waits no longer needs no error either.
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

/// What a reply is: an answer, a refusal, or neither.
type Judged<T> = Result<Result<T, IndexError>, Violation>;

fn give<T>(answer: Answer<T>, judged: Judged<T>) -> Result<(), Violation> {
    let (told, outcome) = match judged {
        Ok(told) => (told, Ok(())),
        Err(violation) => (Err(IndexError::Offline { reason: violation.to_string() }), Err(violation)),
    };
    // A caller that waits no longer needs no answer either.
    drop(answer.send(told));
    outcome
}

fn refusal_or_wrong<T>(reply: Reply, asked: &'static str) -> Judged<T> {
    match reply {
        Reply::Refused(refusal) => Ok(Err(IndexError::Refused(plain_refusal(refusal)))),
        _ => Err(Violation::WrongReply { asked }),
    }
}

fn within(what: &'static str, got: usize, limit: usize) -> Result<(), Violation> {
    if got > limit { Err(Violation::TooMuch { what, got, limit }) } else { Ok(()) }
}

fn hits(reply: Reply, limit: u16) -> Judged<SearchPage> {
    let (mut hits, sources, more, is_cut) = match reply {
        Reply::Hits { hits, more, cut } => (hits, Vec::new(), more, cut),
        Reply::HitsWithSources { hits, more, cut } => {
            let (hits, sources) = split(hits)?;
            (hits, sources, more, cut)
        }
        _ => return refusal_or_wrong(reply, "hits"),
    };
    within("hits", hits.len(), limit.into())?;
    // A page that leads nowhere would be asked for again and again.
    let more = more.filter(|_| !hits.is_empty());
    within("hits told", more.as_ref().map_or(0, |more| more.told.len()), MAX_TOLD)?;
    for hit in &mut hits {
        within("names", hit.names.len(), MAX_HIT_NAMES)?;
        hit.names.retain(|name| SharePath::parse(name).is_ok());
    }
    hits.retain(|hit| {
        let possible = hit.size <= MAX_FILE_SIZE && (hit.size == 0) == (hit.digest == Digest::OF_NOTHING);
        possible && !hit.names.is_empty()
    });
    Ok(Ok(SearchPage { hits, more, is_cut, sources }))
}

/// The sources of some contents.
type SourcesOf = Vec<(Digest, Vec<Source>)>;

/// Separates hits from their sources.
fn split(page: Vec<HitWithSources>) -> Result<(Vec<Hit>, SourcesOf), Violation> {
    let (mut hits, mut sources) = (Vec::with_capacity(page.len()), Vec::new());
    for HitWithSources { hit, sources: some } in page {
        within("sources of a hit", some.len(), MAX_HIT_SOURCES)?;
        if !some.is_empty() {
            within("hits with sources", sources.len() + 1, MAX_SOURCED_HITS)?;
            sources.push((hit.digest, some));
        }
        hits.push(hit);
    }
    Ok((hits, sources))
}

fn sources(reply: Reply, limit: u16) -> Judged<Vec<Source>> {
    let Reply::Sources { sources } = reply else { return refusal_or_wrong(reply, "sources") };
    within("sources", sources.len(), limit.into())?;
    Ok(Ok(sources))
}

fn offers(reply: Reply) -> Judged<Option<TrackerPlace>> {
    let Reply::Offers { tracker, .. } = reply else { return refusal_or_wrong(reply, "an offer") };
    Ok(Ok(tracker))
}

fn suggestions(reply: Reply) -> Judged<Vec<NearWords>> {
    let Reply::Suggestions { words } = reply else { return refusal_or_wrong(reply, "suggestions") };
    within("words", words.len(), MAX_UNKNOWN_WORDS)?;
    for unknown in &words {
        within("suggestions", unknown.near.len(), MAX_NEAR_WORDS)?;
    }
    Ok(Ok(words))
}

fn nodes(reply: Reply) -> Judged<Vec<NodePlace>> {
    let Reply::Nodes { nodes } = reply else { return refusal_or_wrong(reply, "nodes") };
    within("nodes", nodes.len(), MAX_NODES_FOUND)?;
    Ok(Ok(nodes))
}

fn checking(reply: Reply) -> Judged<u32> {
    let Reply::Checking { nodes } = reply else { return refusal_or_wrong(reply, "a report") };
    Ok(Ok(nodes))
}

fn torrents(reply: Reply) -> Judged<Vec<TorrentHint>> {
    let Reply::Torrents { mut hints } = reply else { return refusal_or_wrong(reply, "torrents") };
    within("torrents", hints.len(), MAX_TORRENT_HINTS)?;
    hints.retain(|hint| hint.check().is_ok());
    Ok(Ok(hints))
}

fn listing(reply: Reply, after: Option<&str>, limit: u16) -> Judged<Listing> {
    let Reply::Listing { source, files, more } = reply else { return refusal_or_wrong(reply, "a listing") };
    within("files", files.len(), limit.into())?;
    let mut last = after;
    for file in &files {
        if last.is_some_and(|last| last >= file.path.as_str()) {
            return Err(Violation::BadListing { reason: "its paths are not in order" });
        }
        if file.check().is_err() {
            return Err(Violation::BadListing { reason: "a file in it cannot be shared" });
        }
        last = Some(&file.path);
    }
    if more && files.is_empty() {
        return Err(Violation::BadListing { reason: "an empty page is followed by more" });
    }
    Ok(Ok((source, files, more)))
}

#[cfg(test)]
mod tests;
