use super::ConfiguredPeerId;

/// The header of every handshake: 18 characters and ten zero bytes.
const HEADER: [u8; 28] = *b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\0";

/// The length of a handshake in bytes.
pub const HANDSHAKE_LEN: usize = 32;

/// The first message of each side, sent without waiting for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfiguredHandshake {
    /// The sender's id.
    pub peer_id: ConfiguredPeerId,
}

/// The bytes are not a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not begin with P2PFILESHARINGPROJ and ten zero bytes")]
pub struct ConfiguredHandshakeError;

impl ConfiguredHandshake {
    /// Encodes the handshake.
    pub fn encode(&self) -> [u8; HANDSHAKE_LEN] {
        let mut bytes = [0; HANDSHAKE_LEN];
        let number = self.peer_id.0.to_be_bytes();
        for (target, byte) in bytes.iter_mut().zip(HEADER.into_iter().chain(number)) {
            *target = byte;
        }
        bytes
    }

    /// Decodes a handshake.
    pub fn decode(bytes: &[u8; HANDSHAKE_LEN]) -> Result<Self, ConfiguredHandshakeError> {
        let (header, rest) = bytes.split_first_chunk::<28>().ok_or(ConfiguredHandshakeError)?;
        let number = rest.first_chunk().ok_or(ConfiguredHandshakeError)?;
        if *header != HEADER {
            return Err(ConfiguredHandshakeError);
        }
        Ok(Self { peer_id: ConfiguredPeerId(u32::from_be_bytes(*number)) })
    }
}
