//! The BitTorrent dialect: connections to any client of the world, each about one torrent (BEP 3, BEP 6),
//! in plaintext or behind a key exchange (MSE).
//!
//! [`Wires`] owns the connections. Whoever has a torrent, or wants it, lets it take part ([`Wires::join`]), says where its
//! bytes lie ([`TorrentOffering`]), and hears of every [`PeerWire`], whoever opened it, by [`WireEvent`]s. What the other side asks of
//! us is answered here without anybody else being involved. Which blocks are asked for is not decided here.

mod batch_read;
mod block_assembler;
mod close_reason;
mod event;
mod event_batch;
mod handshake;
mod inbound;
mod joined_torrent;
mod key_exchange;
mod key_exchange_limit;
mod membership;
mod message_handler;
mod offering;
mod outbound;
mod peer_stream;
mod reader;
mod receive_buffer;
mod request_handler;
mod resolver;
mod send_queue;
#[cfg(test)]
mod tests;
mod wire;
mod wire_error;
mod wire_starter;
mod wires;
mod writer;

pub use event::WireEvent;
pub use handshake::PeerHandshakeError;
pub use membership::{AlreadyJoined, SwarmMembership};
pub use offering::{BlockSegment, PieceLocator, TorrentOffering};
pub use outbound::ConnectMode;
pub use resolver::TorrentResolver;
pub use wire::PeerWire;
pub use wire_error::PeerWireError;
pub use wires::{Wires, WiresConfig};
