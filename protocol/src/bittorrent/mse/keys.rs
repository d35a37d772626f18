use bincode::{Decode, Encode};
use sha1::{Digest as _, Sha1};

use super::{Ciphers, KEY_LEN, StreamCipher};
use crate::infohash::Infohash;

/// The hash that represents an infohash in a key exchange, which does not reveal the infohash to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TorrentKey([u8; 20]);

impl TorrentKey {
    /// Wraps 20 bytes as a key.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Returns the key of a torrent.
    pub fn of(infohash: Infohash) -> Self {
        Self(hash(&[b"req2", infohash.as_bytes()]))
    }

    /// Returns the key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// The Diffie-Hellman secret that both sides share.
#[derive(Clone)]
pub(super) struct SharedSecret([u8; KEY_LEN]);

impl SharedSecret {
    pub(super) const fn new(secret: [u8; KEY_LEN]) -> Self {
        Self(secret)
    }

    /// Returns the bytes that mark the end of the initiator's padding.
    pub(super) fn synchronisation(&self) -> [u8; 20] {
        hash(&[b"req1", &self.0])
    }

    /// Masks or unmasks a torrent key (XOR).
    pub(super) fn mask(&self, key: [u8; 20]) -> [u8; 20] {
        let mut masked = key;
        for (byte, mask) in masked.iter_mut().zip(hash(&[b"req3", &self.0])) {
            *byte ^= mask;
        }
        masked
    }

    /// Unmasks a torrent key.
    pub(super) fn torrent_key(&self, masked: [u8; 20]) -> TorrentKey {
        TorrentKey(self.mask(masked))
    }

    /// Returns the ciphers of both directions: for the initiator's bytes and for the responder's.
    pub(super) fn ciphers(&self, infohash: Infohash) -> (StreamCipher, StreamCipher) {
        let cipher = |label: &[u8]| StreamCipher::new(&hash(&[label, &self.0, infohash.as_bytes()]));
        (cipher(b"keyA"), cipher(b"keyB"))
    }

    pub(super) fn initiator_ciphers(&self, infohash: Infohash) -> Ciphers {
        let (outgoing, incoming) = self.ciphers(infohash);
        Ciphers { outgoing, incoming }
    }

    pub(super) fn responder_ciphers(&self, infohash: Infohash) -> Ciphers {
        let (incoming, outgoing) = self.ciphers(infohash);
        Ciphers { outgoing, incoming }
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(..)")
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
