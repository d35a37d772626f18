use std::fmt::{self, Write};
use std::net::IpAddr;

use super::percent;
use super::query::{QueryPairs, TrackerQueryError};
use crate::infohash::Infohash;
use crate::limits::MAX_TRACKER_ID;

/// An announce: a peer reports its state for a torrent and requests the addresses of other peers (BEP 3, "trackers").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The torrent.
    pub infohash: Infohash,
    /// The peer's self-chosen id.
    pub peer_id: [u8; 20],
    /// The port on which it accepts connections; 0 if it accepts none.
    pub port: u16,
    /// The number of bytes uploaded since it started.
    pub uploaded: u64,
    /// The number of bytes downloaded since it started.
    pub downloaded: u64,
    /// The number of bytes still missing; [`u64::MAX`] if unknown.
    pub left: u64,
    /// The event; `None` for a regular announce.
    pub event: Option<TrackerEvent>,
    /// The number of requested addresses; `None` leaves it to the tracker.
    pub numwant: Option<u32>,
    /// True to request compact addresses (BEP 23).
    pub compact: bool,
    /// True to omit the peer ids from the reply.
    pub no_peer_id: bool,
    /// A key that identifies the peer after a change of its address.
    pub key: Option<u32>,
    /// The tracker id from an earlier reply, returned to the tracker.
    pub tracker_id: Option<Vec<u8>>,
    /// The address that the peer claims, which a tracker should not trust.
    pub ip: Option<IpAddr>,
}

/// An event in the life of a torrent at a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackerEvent {
    /// The peer joined the swarm.
    Started,
    /// The peer completed the download. Not sent if it was complete at the start.
    Completed,
    /// The peer left the swarm.
    Stopped,
}

impl TrackerEvent {
    const ALL: [Self; 3] = [Self::Started, Self::Completed, Self::Stopped];

    /// Returns the event's name in a query.
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
    /// Encodes the query of the URL, without a `?`.
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

    /// Parses the query of a URL, with or without a `?`.
    ///
    /// The infohash, the peer id and the port are required. All other fields may be missing or have unsupported
    /// values, such as an unknown event, as real clients send them; unsupported values count as missing.
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
            // BEP 23 suggests the compact form unless the client rejects it.
            compact: pairs.one("compact")? != Some("0"),
            no_peer_id: pairs.flag("no_peer_id")?,
            key: key.and_then(|key| u32::from_str_radix(&key, 16).ok()),
            tracker_id: pairs.bytes("trackerid")?.filter(|id| id.len() <= MAX_TRACKER_ID),
            ip: ip.and_then(|ip| ip.parse().ok()),
        })
    }
}

/// Parses the number of missing bytes. Some clients send -1 if it is unknown.
fn left(pairs: QueryPairs<'_>) -> Result<u64, TrackerQueryError> {
    match pairs.one("left")? {
        Some(value) if !value.starts_with('-') => {
            value.parse().map_err(|_| TrackerQueryError::NotANumber { key: "left" })
        }
        _ => Ok(u64::MAX),
    }
}
