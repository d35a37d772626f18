use std::fmt::{self, Write};
use std::net::IpAddr;

use super::percent;
use super::query::{QueryPairs, TrackerQueryError};
use crate::infohash::Infohash;
use crate::limits::MAX_TRACKER_ID;

/// What a peer tells a tracker of itself and a torrent, in return for the addresses of others (BEP 3, "trackers").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The torrent.
    pub infohash: Infohash,
    /// Who the peer calls itself.
    pub peer_id: [u8; 20],
    /// The port on which it takes connections; 0 if it takes none.
    pub port: u16,
    /// The bytes that it has sent since it started.
    pub uploaded: u64,
    /// The bytes that it has fetched since it started.
    pub downloaded: u64,
    /// The bytes that it still lacks; [`u64::MAX`] if it cannot tell.
    pub left: u64,
    /// What has happened, if this is not said merely because it is time again.
    pub event: Option<TrackerEvent>,
    /// How many addresses it wants; the tracker chooses if it does not say.
    pub numwant: Option<u32>,
    /// Whether it wants the addresses as strings of bytes (BEP 23).
    pub compact: bool,
    /// Whether it does without the ids of the peers.
    pub no_peer_id: bool,
    /// What shows that it is the same peer after its address has changed.
    pub key: Option<u32>,
    /// What the tracker gave it at an earlier announcement, to be given back.
    pub tracker_id: Option<Vec<u8>>,
    /// The address that it claims to have. A tracker has little reason to believe it.
    pub ip: Option<IpAddr>,
}

/// What has happened to a torrent at a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackerEvent {
    /// It begins to take part.
    Started,
    /// It now has the whole content. Not said if it had it when it started.
    Completed,
    /// It takes part no longer.
    Stopped,
}

impl TrackerEvent {
    const ALL: [Self; 3] = [Self::Started, Self::Completed, Self::Stopped];

    /// Returns the word for it in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for TrackerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AnnounceRequest {
    /// Writes the query of the URL, without a `?`.
    pub fn query(&self) -> String {
        let mut query = "info_hash=".to_owned();
        percent::encode(self.infohash.as_bytes(), &mut query);
        query.push_str("&peer_id=");
        percent::encode(&self.peer_id, &mut query);
        // Writing to a string cannot fail.
        let Self { port, uploaded, downloaded, left, .. } = self;
        let _ = write!(query, "&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}");
        let _ = write!(query, "&compact={}", u8::from(self.compact));
        if self.no_peer_id {
            query.push_str("&no_peer_id=1");
        }
        if let Some(event) = self.event {
            let _ = write!(query, "&event={event}");
        }
        if let Some(numwant) = self.numwant {
            let _ = write!(query, "&numwant={numwant}");
        }
        if let Some(key) = self.key {
            let _ = write!(query, "&key={key:08X}");
        }
        if let Some(id) = &self.tracker_id {
            query.push_str("&trackerid=");
            percent::encode(id, &mut query);
        }
        if let Some(ip) = self.ip {
            query.push_str("&ip=");
            percent::encode(ip.to_string().as_bytes(), &mut query);
        }
        query
    }

    /// Reads the query of a URL, with or without a `?`.
    ///
    /// The torrent, the peer's id and its port must be there. As clients in the wild have it, other things may be missing
    /// or hold what is not understood, such as an unknown event or a key of another form, and count as not said.
    pub fn from_query(query: &str) -> Result<Self, TrackerQueryError> {
        let pairs = QueryPairs::new(query)?;
        let text = |key| Ok(pairs.bytes(key)?.and_then(|bytes| String::from_utf8(bytes).ok()));
        let event = pairs.one("event")?;
        let key: Option<String> = text("key")?;
        let ip: Option<String> = text("ip")?;
        let numwant: Option<i64> = pairs.number("numwant")?;
        Ok(Self {
            infohash: Infohash::from_bytes(pairs.twenty_bytes("info_hash")?),
            peer_id: pairs.twenty_bytes("peer_id")?,
            port: pairs.number("port")?.ok_or(TrackerQueryError::Missing { key: "port" })?,
            uploaded: pairs.number("uploaded")?.unwrap_or(0),
            downloaded: pairs.number("downloaded")?.unwrap_or(0),
            left: left(pairs)?,
            event: TrackerEvent::ALL.into_iter().find(|known| event == Some(known.as_str())),
            numwant: numwant.filter(|count| *count >= 0).map(|count| count.try_into().unwrap_or(u32::MAX)),
            // BEP 23 suggests that form unless the other is asked for.
            compact: pairs.one("compact")? != Some("0"),
            no_peer_id: pairs.flag("no_peer_id")?,
            key: key.and_then(|key| u32::from_str_radix(&key, 16).ok()),
            tracker_id: pairs.bytes("trackerid")?.filter(|id| id.len() <= MAX_TRACKER_ID),
            ip: ip.and_then(|ip| ip.parse().ok()),
        })
    }
}

/// Reads how many bytes a peer lacks. Some say -1 as long as they do not know.
fn left(pairs: QueryPairs<'_>) -> Result<u64, TrackerQueryError> {
    match pairs.one("left")? {
        Some(value) if !value.starts_with('-') => {
            value.parse().map_err(|_| TrackerQueryError::NotANumber { key: "left" })
        }
        _ => Ok(u64::MAX),
    }
}
