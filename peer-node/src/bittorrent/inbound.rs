//! Accepts inbound connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use protocol::bittorrent::PROTOCOL;

use super::handshake::{self, PeerHandshake, PeerHandshakeError};
use super::joined_torrent::JoinedTorrent;
use super::wire::WirePeer;
use super::wire_stream::WireStream;
use super::wires::Wires;
use crate::transport::{AdmissionPermit, PeerStream, log_expected_refusal, log_refusal};

/// A peer whose handshake was accepted.
type AcceptedPeer = (WireStream, PeerHandshake, Arc<JoinedTorrent>);

impl Wires {
    /// Accepts a connection that began with a handshake, whose first 20 bytes have been read.
    pub(crate) async fn accept(&self, stream: PeerStream, from: SocketAddr, permit: AdmissionPermit) {
        let channel = WireStream::without_key_exchange(stream, &PROTOCOL);
        let find = async |infohash| self.find(infohash).await;
        self.admit(handshake::accept(channel, self.peer_id(), find).await, from, permit);
    }

    /// Accepts a connection that began with a key exchange, whose first bytes are `opening`.
    pub(crate) async fn accept_encrypted(
        &self,
        stream: PeerStream,
        opening: &[u8],
        from: SocketAddr,
        permit: AdmissionPermit,
    ) {
        let Some(exchange_permit) = self.key_exchange_limit().begin(from.ip(), Instant::now()) else {
            log_refusal(from, "too many key exchanges");
            return;
        };
        let find = async |key| self.find_by_key(key).await;
        let outcome = handshake::accept_encrypted(stream, opening, self.peer_id(), find).await;
        drop(exchange_permit);
        self.admit(outcome, from, permit);
    }

    fn admit(
        &self,
        outcome: Result<AcceptedPeer, PeerHandshakeError>,
        from: SocketAddr,
        permit: AdmissionPermit,
    ) {
        match outcome {
            Ok((_, peer_handshake, _)) if peer_handshake.peer_id == self.peer_id() => {
                tracing::debug!(%from, "refused a connection from this node itself");
            }
            Ok((channel, peer_handshake, torrent)) => {
                let (peer, encryption) = (
                    WirePeer { handshake: peer_handshake, address: from, is_inbound: true },
                    channel.encryption(),
                );
                if self.starter(&torrent).start(channel, peer, permit) {
                    tracing::info!(%from, client = %peer_handshake.peer_id, encryption, "a BitTorrent peer has connected");
                } else {
                    tracing::debug!(%from, "refused a second connection from the same BitTorrent peer");
                }
            }
            Err(PeerHandshakeError::UnknownTorrent(infohash)) => {
                log_expected_refusal(from, format_args!("unknown torrent {infohash}"));
            }
            Err(error @ PeerHandshakeError::UnknownKey) => log_expected_refusal(from, error),
            Err(error) => log_refusal(from, error),
        }
    }
}
