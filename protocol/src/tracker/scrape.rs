use super::announce_reply::{TrackerFailure, count, dictionary};
use super::query::{QueryPairs, TrackerQueryError};
use super::{TrackerReplyError, percent};
use crate::bencode::{Tree, Value};
use crate::infohash::Infohash;
use crate::limits::MAX_SCRAPED;

/// Asks a tracker how many peers some torrents have (BEP 48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// The torrents; none at all asks for every torrent of the tracker, which few trackers tell.
    pub infohashes: Vec<Infohash>,
}

/// How many peers a torrent has at a tracker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrapeEntry {
    /// How many have the whole content.
    pub complete: u32,
    /// How often it was fetched to the end.
    pub downloaded: u32,
    /// How many do not have it yet.
    pub incomplete: u32,
}

/// What a tracker answers to a scrape. Torrents that it does not know are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrapeReply {
    /// The torrents, in the order of their infohashes if the tracker keeps to the rules.
    pub torrents: Vec<(Infohash, ScrapeEntry)>,
}

impl ScrapeRequest {
    /// Writes the query of the URL, without a `?`.
    pub fn query(&self) -> String {
        let mut query = String::new();
        for infohash in &self.infohashes {
            query.push_str(if query.is_empty() { "info_hash=" } else { "&info_hash=" });
            percent::encode(infohash.as_bytes(), &mut query);
        }
        query
    }

    /// Reads the query of a URL, with or without a `?`.
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
    /// Reads the body of an answer, or the tracker's refusal. At most [`MAX_SCRAPED`] torrents are read.
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

    /// Writes the body of the answer.
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
