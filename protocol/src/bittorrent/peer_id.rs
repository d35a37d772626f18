use std::fmt;

use super::clients;

/// How our own ids begin: client and version, as most clients write it (BEP 20).
const CLIENT_PREFIX: [u8; 8] = *b"-PX0200-";

/// Who a peer of the BitTorrent dialect says it is: 20 bytes that last as long as its run (BEP 3, `peer_id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

impl PeerId {
    /// Makes an id of this program from random bytes.
    pub const fn ours(random: [u8; 12]) -> Self {
        let mut bytes = [0; 20];
        let (head, tail) = bytes.split_at_mut(CLIENT_PREFIX.len());
        head.copy_from_slice(&CLIENT_PREFIX);
        tail.copy_from_slice(&random);
        Self(bytes)
    }

    /// Takes 20 bytes for an id.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Returns the 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Returns the name of the client and its version, as far as they are known; fit to be shown to people.
    pub fn client(&self) -> Option<String> {
        clients::client_name(&self.0)
    }
}

/// Writes the client's name, or what can be read of the id.
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
