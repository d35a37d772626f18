use std::net::{IpAddr, SocketAddr};

use super::{NamedPeer, TrackerReplyError, compact, message_text};
use crate::bencode::{Tree, Value, parse_lenient};
use crate::limits::{MAX_NAMED_PEERS, MAX_TRACKED_PEERS, MAX_TRACKER_ID, MAX_TRACKER_REPLY};

/// The announce interval in seconds if a tracker sends none: half an hour, as with most trackers.
pub const DEFAULT_INTERVAL: u32 = 1800;

/// A tracker's reply to an announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnnounceReply {
    /// The announce interval in seconds as sent by the tracker; any value from 0.
    pub interval: u32,
    /// The minimum announce interval in seconds.
    pub min_interval: Option<u32>,
    /// The number of peers that have the complete content.
    pub complete: Option<u32>,
    /// The number of peers that do not have it yet.
    pub incomplete: Option<u32>,
    /// Peers of the torrent.
    pub peers: Vec<TrackedPeer>,
    /// Peers with a host name instead of an address; at most [`MAX_NAMED_PEERS`].
    pub named_peers: Vec<NamedPeer>,
    /// A warning for the user, unescaped and truncated.
    pub warning: Option<String>,
    /// The tracker id to return with the next announce.
    pub tracker_id: Option<Vec<u8>>,
}

/// A peer in a tracker's reply. Its address is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackedPeer {
    /// The address on which it accepts connections.
    pub address: SocketAddr,
    /// Its self-chosen id, if the tracker sends it.
    pub peer_id: Option<[u8; 20]>,
}

/// A tracker's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerFailure {
    /// The `failure reason`, unescaped and truncated.
    pub reason: String,
}

impl TrackerFailure {
    /// Encodes the body of the reply.
    pub fn encode(&self) -> Vec<u8> {
        Tree::dictionary([("failure reason", self.reason.as_str().into())]).encode()
    }

    pub(super) fn from_reply(reply: Value<'_>) -> Option<Self> {
        let reason = reply.get("failure reason")?.as_bytes()?;
        Some(Self { reason: message_text::truncated_text(reason) })
    }
}

impl AnnounceReply {
    /// Parses the body of a reply, or the tracker's refusal.
    ///
    /// Keys may be in any order; numbers out of range are clamped, invalid addresses are skipped.
    pub fn parse(body: &[u8]) -> Result<Result<Self, TrackerFailure>, TrackerReplyError> {
        let reply = dictionary(body)?;
        if let Some(failure) = TrackerFailure::from_reply(reply) {
            return Ok(Err(failure));
        }
        let peers = reply.get("peers");
        let peers6 = reply.get("peers6");
        // A reply with IPv6 peers only may lack `peers`; one without any of these keys is not a reply.
        if peers.is_none() && peers6.is_none() && reply.get("interval").is_none() {
            return Err(TrackerReplyError::Missing { key: "peers" });
        }
        let (found, named_peers) = tracked_peers(peers, peers6);
        let seconds = |key| reply.get(key).and_then(|value| value.as_integer()).map(count);
        Ok(Ok(Self {
            interval: seconds("interval").unwrap_or(DEFAULT_INTERVAL),
            min_interval: seconds("min interval"),
            complete: seconds("complete"),
            incomplete: seconds("incomplete"),
            peers: found,
            named_peers,
            warning: reply
                .get("warning message")
                .and_then(|value| value.as_bytes())
                .map(message_text::truncated_text),
            tracker_id: reply
                .get("tracker id")
                .and_then(|value| value.as_bytes())
                .filter(|id| id.len() <= MAX_TRACKER_ID)
                .map(<[u8]>::to_vec),
        }))
    }

    /// Encodes the body of the reply. If `compact`, peers are encoded as strings and named peers are omitted;
    /// otherwise as dictionaries, with their ids unless `no_peer_id`.
    pub fn encode(&self, compact: bool, no_peer_id: bool) -> Vec<u8> {
        let mut entries = vec![("interval", self.interval.into())];
        let addresses = || self.peers.iter().map(|peer| peer.address);
        if compact {
            entries.push(("peers", compact::write_v4(addresses()).into()));
            if addresses().any(|address| address.is_ipv6()) {
                entries.push(("peers6", compact::write_v6(addresses()).into()));
            }
        } else {
            let peers = self.peers.iter().map(|peer| peer.dictionary(no_peer_id));
            let named = self.named_peers.iter().map(NamedPeer::dictionary);
            entries.push(("peers", Tree::list(peers.chain(named))));
        }
        let counts = [
            ("min interval", self.min_interval),
            ("complete", self.complete),
            ("incomplete", self.incomplete),
        ];
        entries.extend(counts.into_iter().filter_map(|(key, count)| Some((key, count?.into()))));
        entries.extend(self.warning.as_deref().map(|text| ("warning message", text.into())));
        entries.extend(self.tracker_id.clone().map(|id| ("tracker id", id.into())));
        Tree::dictionary(entries).encode()
    }
}

impl TrackedPeer {
    fn dictionary(&self, no_peer_id: bool) -> Tree {
        let ip = self.address.ip().to_string();
        let mut entries = vec![("ip", ip.as_str().into()), ("port", u32::from(self.address.port()).into())];
        entries.extend(self.peer_id.filter(|_| !no_peer_id).map(|id| ("peer id", id.as_slice().into())));
        Tree::dictionary(entries)
    }

    /// Parses an entry of the dictionary form whose `ip` is an address.
    fn from_dictionary(entry: Value<'_>) -> Option<Self> {
        let ip: IpAddr = entry.get("ip")?.as_text()?.parse().ok()?;
        let port: u16 = entry.get("port")?.as_unsigned()?.try_into().ok()?;
        let peer_id = entry.get("peer id").and_then(|id| id.as_bytes()?.try_into().ok());
        Some(Self { address: (ip, port).into(), peer_id })
    }

    const fn without_id(address: SocketAddr) -> Self {
        Self { address, peer_id: None }
    }
}

/// Parses the body of a reply as a dictionary.
pub(super) fn dictionary(body: &[u8]) -> Result<Value<'_>, TrackerReplyError> {
    if body.len() > MAX_TRACKER_REPLY {
        return Err(TrackerReplyError::TooLong { limit: MAX_TRACKER_REPLY });
    }
    let reply = parse_lenient(body)?;
    if reply.as_dictionary().is_none() {
        return Err(TrackerReplyError::NotADictionary { kind: reply.kind() });
    }
    Ok(reply)
}

/// Clamps a number to the range of counts and seconds.
pub(super) fn count(number: i64) -> u32 {
    number.max(0).try_into().unwrap_or(u32::MAX)
}

/// Returns the peers of both keys, each in compact or dictionary form.
fn tracked_peers(peers: Option<Value<'_>>, peers6: Option<Value<'_>>) -> (Vec<TrackedPeer>, Vec<NamedPeer>) {
    let (mut found, mut named) = (Vec::new(), Vec::new());
    match peers {
        Some(value) if value.as_list().is_some() => {
            for entry in value.as_list().into_iter().flatten().take(MAX_TRACKED_PEERS) {
                match TrackedPeer::from_dictionary(entry) {
                    Some(peer) => found.push(peer),
                    None if named.len() < MAX_NAMED_PEERS => named.extend(NamedPeer::from_dictionary(entry)),
                    None => {}
                }
            }
        }
        value => {
            found.extend(compact::read_v4(bytes(value)).take(MAX_TRACKED_PEERS).map(TrackedPeer::without_id));
        }
    }
    let remaining = MAX_TRACKED_PEERS.saturating_sub(found.len());
    found.extend(compact::read_v6(bytes(peers6)).take(remaining).map(TrackedPeer::without_id));
    (found, named)
}

fn bytes(value: Option<Value<'_>>) -> &[u8] {
    value.and_then(|value| value.as_bytes()).unwrap_or_default()
}
