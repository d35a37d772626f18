use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ConfiguredPeerId;
use super::config_error::{self, ConfigError, ConfigFault, FaultReason};
use crate::limits::MAX_CONFIGURED_PEERS;

#[cfg(test)]
mod tests;

/// The longest name of a host, in bytes (RFC 1035).
const MAX_HOST: usize = 253;

/// The peers of a configured swarm, in the order in which they are started: `PeerInfo.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerList {
    peers: Vec<ListedPeer>,
}

/// A line of `PeerInfo.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPeer {
    /// Who it is.
    pub id: ConfiguredPeerId,
    /// The name or address of its machine.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Whether it has the file from the beginning.
    pub has_file: bool,
}

impl PeerList {
    /// Reads the file and judges all of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let (mut peers, mut faults) = (Vec::new(), Vec::new());
        let (mut ids, mut places) = (BTreeMap::new(), BTreeMap::new());
        for (line, text) in config_error::lines(bytes)? {
            if peers.len() == MAX_CONFIGURED_PEERS {
                faults.push(ConfigFault { line, reason: FaultReason::TooManyPeers });
                break;
            }
            let mut note = |reason| faults.push(ConfigFault { line, reason });
            let Some(peer) = peer(config_error::without_comment(text), &mut note) else { continue };
            let other = ids.insert(peer.id, line);
            if let Some(first) = other {
                note(FaultReason::DuplicateId { id: peer.id, first });
            }
            // A line that repeats another one is one fault.
            if let Some(first) = places.insert((peer.host.to_ascii_lowercase(), peer.port), line)
                && other != Some(first)
            {
                note(FaultReason::DuplicateAddress { host: peer.host.clone(), port: peer.port, first });
            }
            peers.push(peer);
        }
        // A line that cannot be read may be the one that is missed.
        if faults.is_empty() && !peers.iter().any(|peer| peer.has_file) {
            let reason = if peers.is_empty() { FaultReason::NoPeers } else { FaultReason::NoSeed };
            faults.push(ConfigFault { line: 0, reason });
        }
        if faults.is_empty() { Ok(Self { peers }) } else { Err(ConfigError { faults }) }
    }

    /// Returns all peers, in their order.
    pub fn peers(&self) -> &[ListedPeer] {
        &self.peers
    }

    /// Finds a peer.
    pub fn find(&self, id: ConfiguredPeerId) -> Option<&ListedPeer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// Returns the peers before one, to which it connects when it starts.
    pub fn before(&self, id: ConfiguredPeerId) -> impl Iterator<Item = &ListedPeer> {
        self.peers.iter().take_while(move |peer| peer.id != id)
    }

    /// Returns all peers but one.
    pub fn others(&self, id: ConfiguredPeerId) -> impl Iterator<Item = &ListedPeer> {
        self.peers.iter().filter(move |peer| peer.id != id)
    }
}

/// Reads a line; notes all that is wrong with it.
fn peer(text: &str, note: &mut impl FnMut(FaultReason)) -> Option<ListedPeer> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [id, host, port, has_file] = *words.as_slice() else {
        note(FaultReason::WrongFieldCount { words: words.len() });
        return None;
    };
    let id = config_error::number("the id", id, u32::MAX.into());
    let port = config_error::number("the port", port, u16::MAX.into());
    let host = if is_usable(host) { Ok(host) } else { Err(FaultReason::BadHost(host.to_owned())) };
    let has_file = match has_file {
        "0" => Ok(false),
        "1" => Ok(true),
        other => Err(FaultReason::BadFlag(other.to_owned())),
    };
    let id = id.map_err(&mut *note).ok().and_then(|id| u32::try_from(id).ok());
    let host = host.map_err(&mut *note).ok();
    let port = port.map_err(&mut *note).ok().and_then(|port| u16::try_from(port).ok());
    let has_file = has_file.map_err(&mut *note).ok();
    Some(ListedPeer { id: ConfiguredPeerId(id?), host: host?.to_owned(), port: port?, has_file: has_file? })
}

/// Says whether a host is an address of one machine, or may be a name.
fn is_usable(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        return !(address.is_unspecified() || address.is_multicast() || is_broadcast);
    }
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && label.bytes().all(is_letter)
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    // What consists of digits alone is an address that is none.
    let is_address = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host.len() <= MAX_HOST && !is_address && name.split('.').all(is_label)
}
