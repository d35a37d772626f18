//! Turns results into replies.

use protocol::index::{
    ContentSource, Hit, HitWithSources, ListSummary, NodeAddress, Refusal, Reply, SearchCursor, Statistics,
    TrackerLocation, WordSuggestions,
};

use crate::request::SentMarks;
use crate::results::{
    DirectoryStatistics, FoundHit, FoundHits, FoundSource, ListedNode, Listing, UnknownWord,
};

/// Returns the reply to a change or a renewal.
pub(super) fn list_reply(result: Result<ListSummary, Refusal>) -> Reply {
    result.map_or_else(Reply::Refused, Reply::List)
}

/// Returns the reply to an offer of a torrent or its withdrawal.
pub(super) fn offers_reply(result: Result<u32, Refusal>, tracker: Option<&TrackerLocation>) -> Reply {
    match result {
        Ok(torrents) => Reply::Offers { torrents, tracker: tracker.cloned() },
        Err(refusal) => Reply::Refused(refusal),
    }
}

/// Returns the reply to a search with or without sources. The list of hits keeps its memory.
pub(crate) fn hits_reply(FoundHits { hits, more, truncated }: FoundHits, with_sources: bool) -> Reply {
    let more = more.map(cursor);
    if with_sources {
        Reply::HitsWithSources { hits: hits.into_iter().map(hit_with_sources).collect(), more, truncated }
    } else {
        Reply::Hits { hits: hits.into_iter().map(hit).collect(), more, truncated }
    }
}

/// Returns the reply to a request for the sources of a content.
pub(super) fn sources_reply(sources: Vec<FoundSource>) -> Reply {
    Reply::Sources { sources: content_sources(sources) }
}

/// Returns the reply to a request for a node's list; `None` if there is no such node.
pub(crate) fn listing_reply(listing: Option<Listing>) -> Reply {
    match listing {
        Some(Listing { node, files, more }) => Reply::Listing { source: node, files, more },
        None => Reply::Refused(Refusal::NoSuchPeer),
    }
}

/// Returns the reply to a request for suggestions.
pub(super) fn suggestions_reply(unknown: Vec<UnknownWord>) -> Reply {
    let suggestions = |UnknownWord { word, alternatives }| WordSuggestions { word, alternatives };
    Reply::Suggestions { words: unknown.into_iter().map(suggestions).collect() }
}

/// Returns the reply to a search for nodes.
pub(super) fn nodes_reply(nodes: Vec<ListedNode>) -> Reply {
    let address = |ListedNode { id, address }| NodeAddress { node: id, address };
    Reply::Nodes { nodes: nodes.into_iter().map(address).collect() }
}

/// Returns the reply to a request for statistics.
pub(super) fn statistics_reply(counted: DirectoryStatistics) -> Reply {
    let DirectoryStatistics { online, nodes, files, contents, bytes, searches, uptime } = counted;
    Reply::Statistics(Statistics {
        online,
        nodes,
        files,
        contents,
        bytes,
        searches,
        uptime: uptime.as_secs(),
    })
}

fn cursor(sent: SentMarks) -> SearchCursor {
    SearchCursor { sent: sent.into() }
}

fn hit(FoundHit { digest, size, names, availability, sources: _ }: FoundHit) -> Hit {
    Hit { digest, size, names, complete: availability.complete, partial: availability.partial }
}

fn hit_with_sources(mut found: FoundHit) -> HitWithSources {
    let sources = content_sources(std::mem::take(&mut found.sources));
    HitWithSources { hit: hit(found), sources }
}

fn content_sources(sources: Vec<FoundSource>) -> Vec<ContentSource> {
    let source = |FoundSource { node, address, share }| ContentSource { node, address, share };
    sources.into_iter().map(source).collect()
}
