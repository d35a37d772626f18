//! Detects the dialect of an incoming connection from as few bytes as possible.

use std::io;

use protocol::bittorrent::PROTOCOL;
use protocol::preamble::{self, PREAMBLE_LEN, PreambleError, Service};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The detected dialect, with the bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SniffedDialect {
    /// The preamble of the native dialect.
    Native([u8; PREAMBLE_LEN]),
    /// The start of a BitTorrent handshake (BEP 3).
    BitTorrent,
    /// Possibly a key exchange (MSE), whose bytes look random.
    Encrypted([u8; PROTOCOL.len()]),
    /// Text, as browsers send it.
    Text,
}

impl SniffedDialect {
    /// Reads the first bytes of a connection.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = [0; PROTOCOL.len()];
        let (preamble, rest) = bytes.split_at_mut(PREAMBLE_LEN);
        stream.read_exact(preamble).await?;
        if let Some(native) = preamble.first_chunk().copied().and_then(parse_preamble) {
            return Ok(native);
        }
        stream.read_exact(rest).await?;
        Ok(Self::classify(bytes))
    }

    /// Classifies bytes that are not a preamble.
    fn classify(bytes: [u8; PROTOCOL.len()]) -> Self {
        // A random key of this length is text once in 10^8 times; the next attempt uses another key.
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        if bytes == PROTOCOL {
            Self::BitTorrent
        } else if bytes.iter().all(is_text) {
            Self::Text
        } else {
            Self::Encrypted(bytes)
        }
    }
}

/// Returns the native dialect if the bytes are a preamble, whatever its version and service.
fn parse_preamble(bytes: [u8; PREAMBLE_LEN]) -> Option<SniffedDialect> {
    let is_ours = preamble::check(bytes, Service::Peer) != Err(PreambleError::NotPeerdex);
    is_ours.then_some(SniffedDialect::Native(bytes))
}

#[cfg(test)]
mod tests {
    use protocol::preamble::Version;

    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<(SniffedDialect, usize)> {
        let mut rest = bytes;
        let opening = SniffedDialect::read(&mut rest).await?;
        Ok((opening, rest.len()))
    }

    #[tokio::test]
    async fn each_dialect_is_detected_from_as_few_bytes_as_possible() {
        let native = preamble::encode(Service::Peer, Version::Two);
        let (opening, rest) = read(&[&native[..], b"greeting"].concat()).await.unwrap();
        assert_eq!((opening, rest), (SniffedDialect::Native(native), 8));
        let (opening, rest) = read(b"\x13BitTorrent protocol\0\0\0\0").await.unwrap();
        assert_eq!((opening, rest), (SniffedDialect::BitTorrent, 4));
        let (opening, rest) = read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_eq!((opening, rest), (SniffedDialect::Text, 7));
    }

    #[tokio::test]
    async fn encrypted_key_may_begin_like_either_dialect() {
        for beginning in [&b"\x13BitTorrent protoco"[..], b"PDEXP\x01", b"PDEXZ\0\0\x01", b"\x13", b"P"] {
            let mut key = [0xa7; 96];
            key[..beginning.len()].copy_from_slice(beginning);
            let (opening, rest) = read(&key).await.unwrap();
            assert_eq!((opening, rest), (SniffedDialect::Encrypted(*key.first_chunk().unwrap()), 76));
        }
    }

    #[tokio::test]
    async fn early_end_of_stream_is_an_error() {
        for bytes in [&b""[..], b"PDEXP\0\0", b"\x13BitTorrent protoco"] {
            assert_eq!(read(bytes).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
