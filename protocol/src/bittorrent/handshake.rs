use super::PeerId;
use crate::infohash::Infohash;

/// The prefix of every handshake.
pub const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";

/// The length of a handshake in bytes.
pub const HANDSHAKE_LEN: usize = 68;

/// The length of a handshake without its peer id, which is enough to identify the torrent and to answer.
pub const HANDSHAKE_HEAD_LEN: usize = 48;

/// The first message of both sides (BEP 3, "peer protocol").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitTorrentHandshake {
    /// The extensions that the sender supports.
    pub reserved: ReservedBits,
    /// The torrent of the connection.
    pub infohash: Infohash,
    /// The sender's id.
    pub peer_id: PeerId,
}

/// The eight bytes of a handshake that announce the supported extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReservedBits([u8; 8]);

/// The bytes are not the beginning of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not speak the BitTorrent protocol")]
pub struct BitTorrentHandshakeError;

impl BitTorrentHandshake {
    /// Encodes the handshake.
    pub fn encode(&self) -> [u8; HANDSHAKE_LEN] {
        let mut bytes = [0; HANDSHAKE_LEN];
        let parts = [&PROTOCOL[..], &self.reserved.0, self.infohash.as_bytes(), self.peer_id.as_bytes()];
        for (target, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *target = *byte;
        }
        bytes
    }

    /// Decodes everything but the peer id, which some clients send only after an answer.
    pub fn decode_head(
        head: &[u8; HANDSHAKE_HEAD_LEN],
    ) -> Result<(ReservedBits, Infohash), BitTorrentHandshakeError> {
        let (protocol, rest) = head.split_first_chunk::<20>().ok_or(BitTorrentHandshakeError)?;
        let (reserved, rest) = rest.split_first_chunk::<8>().ok_or(BitTorrentHandshakeError)?;
        let infohash = rest.first_chunk::<20>().ok_or(BitTorrentHandshakeError)?;
        if *protocol != PROTOCOL {
            return Err(BitTorrentHandshakeError);
        }
        Ok((ReservedBits(*reserved), Infohash::from_bytes(*infohash)))
    }
}

impl ReservedBits {
    const EXTENDED: (usize, u8) = (5, 0x10);
    const FAST: (usize, u8) = (7, 0x04);

    /// Returns the extensions that this program supports.
    pub const fn ours() -> Self {
        Self([0, 0, 0, 0, 0, Self::EXTENDED.1, 0, Self::FAST.1])
    }

    /// Wraps eight bytes of a handshake.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns true if the fast extension is supported (BEP 6).
    pub fn has_fast(self) -> bool {
        self.has(Self::FAST)
    }

    /// Returns true if the extension protocol is supported (BEP 10).
    pub fn has_extended(self) -> bool {
        self.has(Self::EXTENDED)
    }

    fn has(self, (byte, bit): (usize, u8)) -> bool {
        self.0.get(byte).is_some_and(|bits| bits & bit != 0)
    }
}
