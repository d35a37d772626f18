//! Receives those who connect to us.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use protocol::bittorrent::PROTOCOL;
use tokio::net::TcpStream;

use super::handshake::{self, PeerHandshake, PeerHandshakeError};
use super::joined_torrent::JoinedTorrent;
use super::peer_stream::PeerStream;
use super::wire::WirePeer;
use super::wires::Wires;
use crate::transport::{AdmissionPermit, log_expected_refusal, log_refusal};

/// Somebody who has greeted us.
type AcceptedPeer = (PeerStream, PeerHandshake, Arc<JoinedTorrent>);

impl Wires {
    /// Receives somebody who has connected to us and begun a handshake: its first 20 bytes are read already.
    pub(crate) async fn accept(&self, stream: TcpStream, from: SocketAddr, ticket: AdmissionPermit) {
        let channel = PeerStream::without_key_exchange(stream, &PROTOCOL);
        let find = async |infohash| self.find(infohash).await;
        self.admit(handshake::accept(channel, self.peer_id(), find).await, from, ticket);
    }

    /// Receives somebody who has connected to us and begun a key exchange, of which `opening` is read already.
    pub(crate) async fn accept_encrypted(
        &self,
        stream: TcpStream,
        opening: &[u8],
        from: SocketAddr,
        ticket: AdmissionPermit,
    ) {
        let Some(exchange) = self.key_exchange_limit().begin(from.ip(), Instant::now()) else {
            log_refusal(from, "too many key exchanges");
            return;
        };
        let find = async |key| self.find_by_key(key).await;
        let heard = handshake::accept_encrypted(stream, opening, self.peer_id(), find).await;
        drop(exchange);
        self.admit(heard, from, ticket);
    }

    fn admit(
        &self,
        heard: Result<AcceptedPeer, PeerHandshakeError>,
        from: SocketAddr,
        ticket: AdmissionPermit,
    ) {
        match heard {
            Ok((_, greeted, _)) if greeted.peer_id == self.peer_id() => {
                tracing::debug!(%from, "connected to ourselves");
            }
            Ok((channel, greeted, torrent)) => {
                let (peer, encryption) =
                    (WirePeer { handshake: greeted, address: from, is_inbound: true }, channel.encryption());
                if self.starter(&torrent).start(channel, peer, ticket) {
                    tracing::info!(%from, client = %greeted.peer_id, encryption, "a BitTorrent peer has connected");
                } else {
                    tracing::debug!(%from, "a BitTorrent peer has connected twice");
                }
            }
            Err(PeerHandshakeError::UnknownTorrent(infohash)) => {
                log_expected_refusal(from, format_args!("no torrent {infohash} here"));
            }
            Err(error @ PeerHandshakeError::UnknownKey) => log_expected_refusal(from, error),
            Err(error) => log_refusal(from, error),
        }
    }
}
