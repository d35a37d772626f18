//! Receives those who connect to us.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use protocol::bittorrent::PROTOCOL;
use tokio::net::TcpStream;

use super::channel::Channel;
use super::greeting::{self, Greeted, GreetingError};
use super::torrent::Torrent;
use super::wire::Peer;
use super::wires::Wires;
use crate::transport::{Ticket, log_refusal, note_refusal};

/// Somebody who has greeted us.
type Visitor = (Channel, Greeted, Arc<Torrent>);

impl Wires {
    /// Receives somebody who has connected to us and begun a handshake: its first 20 bytes are read already.
    pub(crate) async fn visit(&self, stream: TcpStream, from: SocketAddr, ticket: Ticket) {
        let channel = Channel::plain(stream, &PROTOCOL);
        let find = async |infohash| self.find(infohash).await;
        self.let_in(greeting::hear(channel, self.peer_id(), find).await, from, ticket);
    }

    /// Receives somebody who has connected to us and begun a key exchange, of which `opening` is read already.
    pub(crate) async fn visit_encrypted(
        &self,
        stream: TcpStream,
        opening: &[u8],
        from: SocketAddr,
        ticket: Ticket,
    ) {
        let Some(exchange) = self.exchange_limit().begin(from.ip(), Instant::now()) else {
            log_refusal(from, "too many key exchanges");
            return;
        };
        let find = async |key| self.find_by_key(key).await;
        let heard = greeting::hear_encrypted(stream, opening, self.peer_id(), find).await;
        drop(exchange);
        self.let_in(heard, from, ticket);
    }

    fn let_in(&self, heard: Result<Visitor, GreetingError>, from: SocketAddr, ticket: Ticket) {
        match heard {
            Ok((_, greeted, _)) if greeted.peer_id == self.peer_id() => {
                tracing::debug!(%from, "connected to ourselves");
            }
            Ok((channel, greeted, torrent)) => {
                let (peer, encryption) =
                    (Peer { greeted, address: from, is_inbound: true }, channel.encryption());
                if self.running(&torrent).begin(channel, peer, ticket) {
                    tracing::info!(%from, client = %greeted.peer_id, encryption, "a BitTorrent peer has connected");
                } else {
                    tracing::debug!(%from, "a BitTorrent peer has connected twice");
                }
            }
            Err(GreetingError::Unknown(infohash)) => {
                note_refusal(from, format_args!("no torrent {infohash} here"));
            }
            Err(error @ GreetingError::UnknownKey) => note_refusal(from, error),
            Err(error) => log_refusal(from, error),
        }
    }
}
