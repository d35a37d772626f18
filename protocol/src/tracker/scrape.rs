use super::announce_reply::{TrackerFailure, count, dictionary};
use super::query::{QueryPairs, TrackerQueryError};
use super::{TrackerReplyError, percent};
use crate::bencode::{Tree, Value};
use crate::infohash::Infohash;
use crate::limits::MAX_SCRAPED;

/// A request for the number of peers of torrents (BEP 48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// The torrents. An empty list requests all torrents of the tracker, which few trackers support.
    pub infohashes: Vec<Infohash>,
}

/// The number of peers of a torrent at a tracker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrapeEntry {
    /// The number of peers that have the complete content.
    pub complete: u32,
    /// The number of completed downloads.
    pub downloaded: u32,
    /// The number of peers that do not have it yet.
    pub incomplete: u32,
}

/// A tracker's reply to a scrape. It lacks torrents that the tracker does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrapeReply {
    /// The torrents, ordered by infohash if the reply is canonical.
    pub torrents: Vec<(Infohash, ScrapeEntry)>,
}

impl ScrapeRequest {
    /// Encodes the query of the URL, without a `?`.
    pub fn query(&self) -> String {
        let mut query = String::new();
        for infohash in &self.infohashes {
            query.push_str(if query.is_empty() { "info_hash=" } else { "&info_hash=" });
            percent::encode(infohash.as_bytes(), &mut query);
        }
        query
    }

    /// Parses the query of a URL, with or without a `?`.
    pub fn from_query(query: &str) -> Result<Self, TrackerQueryError> {
        let infohashes: Vec<_> =
            QueryPairs::new(query)?.infohashes().take(MAX_SCRAPED + 1).collect::<Result<_, _>>()?;
        if infohashes.len() > MAX_SCRAPED {
            return Err(TrackerQueryError::TooManyTorrents { limit: MAX_SCRAPED });
        }
        Ok(Self { infohashes })
    }
}

impl ScrapeReply {
    /// Parses the body of a reply, or the tracker's refusal. At most [`MAX_SCRAPED`] torrents are parsed.
    pub fn parse(body: &[u8]) -> Result<Result<Self, TrackerFailure>, TrackerReplyError> {
        let reply = dictionary(body)?;
        if let Some(failure) = TrackerFailure::from_reply(reply) {
            return Ok(Err(failure));
        }
        let files = reply.get("files").and_then(|files| files.as_dictionary());
        let files = files.ok_or(TrackerReplyError::Missing { key: "files" })?.take(MAX_SCRAPED);
        let torrents = files.filter_map(|(key, counts)| {
            Some((Infohash::from_bytes(key.try_into().ok()?), ScrapeEntry::from_dictionary(counts)?))
        });
        Ok(Ok(Self { torrents: torrents.collect() }))
    }

    /// Encodes the body of the reply.
    pub fn encode(&self) -> Vec<u8> {
        let files = self.torrents.iter();
        let files = files.map(|(infohash, counts)| (infohash.as_bytes().to_vec(), counts.dictionary()));
        Tree::dictionary([("files", Tree::Dictionary(files.collect()))]).encode()
    }
}

impl ScrapeEntry {
    fn from_dictionary(counts: Value<'_>) -> Option<Self> {
        counts.as_dictionary()?;
        let read = |key| counts.get(key).and_then(|value| value.as_integer()).map_or(0, count);
        Some(Self {
            complete: read("complete"),
            downloaded: read("downloaded"),
            incomplete: read("incomplete"),
        })
    }

    fn dictionary(&self) -> Tree {
        let Self { complete, downloaded, incomplete } = *self;
        let counts = [("complete", complete), ("downloaded", downloaded), ("incomplete", incomplete)];
        Tree::dictionary(counts.map(|(key, count)| (key, count.into())))
    }
}
