use std::fmt;

use super::clients;

/// The prefix of this program's ids: client code and version in the usual format (BEP 20).
const CLIENT_PREFIX: [u8; 8] = *b"-PX0200-";

/// The self-chosen id of a BitTorrent peer: 20 bytes, valid for one run (BEP 3, `peer_id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

impl PeerId {
    /// Creates an id of this program from random bytes.
    pub const fn ours(random: [u8; 12]) -> Self {
        let mut bytes = [0; 20];
        let (head, tail) = bytes.split_at_mut(CLIENT_PREFIX.len());
        head.copy_from_slice(&CLIENT_PREFIX);
        tail.copy_from_slice(&random);
        Self(bytes)
    }

    /// Wraps 20 bytes as an id.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Returns the id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Returns the client's name and version, if known; safe to display.
    pub fn client(&self) -> Option<String> {
        clients::client_name(&self.0)
    }
}

/// Formats the client's name, or else the readable prefix of the id.
impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = self.client() {
            return f.write_str(&client);
        }
        let readable = self.0.iter().take_while(|byte| byte.is_ascii_graphic());
        let text: String = readable.map(|byte| char::from(*byte)).collect();
        f.write_str(if text.len() < 3 { "unknown client" } else { &text })
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0.escape_ascii())
    }
}
