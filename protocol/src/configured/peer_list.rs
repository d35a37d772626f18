use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ConfiguredPeerId;
use super::config_error::{self, ConfigError, ConfigFault, FaultReason};
use crate::limits::MAX_CONFIGURED_PEERS;

#[cfg(test)]
mod tests;

/// The maximum length of a host name, in bytes (RFC 1035).
const MAX_HOST: usize = 253;

/// The peers of a configured swarm, in the order in which they start: `PeerInfo.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerList {
    peers: Vec<ListedPeer>,
}

/// A line of `PeerInfo.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPeer {
    /// The peer's id.
    pub id: ConfiguredPeerId,
    /// The host name or address of its machine.
    pub host: String,
    /// Its listening port.
    pub port: u16,
    /// True if it has the file at the start.
    pub has_file: bool,
}

impl PeerList {
    /// Parses and validates the whole file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let (mut peers, mut faults) = (Vec::new(), Vec::new());
        let (mut ids, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for (line, text) in config_error::lines(bytes)? {
            if peers.len() == MAX_CONFIGURED_PEERS {
                faults.push(ConfigFault { line, reason: FaultReason::TooManyPeers });
                break;
            }
            let mut report = |reason| faults.push(ConfigFault { line, reason });
            let Some(peer) = peer(config_error::without_comment(text), &mut report) else { continue };
            let other = ids.insert(peer.id, line);
            if let Some(first) = other {
                report(FaultReason::DuplicateId { id: peer.id, first });
            }
            // A line that repeats another line counts as one fault.
            if let Some(first) = addresses.insert((peer.host.to_ascii_lowercase(), peer.port), line)
                && other != Some(first)
            {
                report(FaultReason::DuplicateAddress { host: peer.host.clone(), port: peer.port, first });
            }
            peers.push(peer);
        }
        // An invalid line may be the missing one, so this is checked only if all lines are valid.
        if faults.is_empty() && !peers.iter().any(|peer| peer.has_file) {
            let reason = if peers.is_empty() { FaultReason::NoPeers } else { FaultReason::NoSeed };
            faults.push(ConfigFault { line: 0, reason });
        }
        if faults.is_empty() { Ok(Self { peers }) } else { Err(ConfigError { faults }) }
    }

    /// Returns all peers in the order of the file.
    pub fn peers(&self) -> &[ListedPeer] {
        &self.peers
    }

    /// Returns the peer with this id.
    pub fn find(&self, id: ConfiguredPeerId) -> Option<&ListedPeer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// Returns the peers listed before `id`, to which it connects when it starts.
    pub fn before(&self, id: ConfiguredPeerId) -> impl Iterator<Item = &ListedPeer> {
        self.peers.iter().take_while(move |peer| peer.id != id)
    }

    /// Returns all peers except `id`.
    pub fn others(&self, id: ConfiguredPeerId) -> impl Iterator<Item = &ListedPeer> {
        self.peers.iter().filter(move |peer| peer.id != id)
    }
}

/// Parses a line; reports all its faults.
fn peer(text: &str, report: &mut impl FnMut(FaultReason)) -> Option<ListedPeer> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [id, host, port, has_file] = *words.as_slice() else {
        report(FaultReason::WrongFieldCount { words: words.len() });
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
    let id = id.map_err(&mut *report).ok().and_then(|id| u32::try_from(id).ok());
    let host = host.map_err(&mut *report).ok();
    let port = port.map_err(&mut *report).ok().and_then(|port| u16::try_from(port).ok());
    let has_file = has_file.map_err(&mut *report).ok();
    Some(ListedPeer { id: ConfiguredPeerId(id?), host: host?.to_owned(), port: port?, has_file: has_file? })
}

/// Returns true if `host` is the address of one machine, or a syntactically valid name.
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
    // Digits and dots that are not a valid address are not a name either.
    let is_address = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host.len() <= MAX_HOST && !is_address && name.split('.').all(is_label)
}
