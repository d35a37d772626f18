//! The BitTorrent dialect: connections to any BitTorrent client (BEP 3, BEP 6), in plaintext or after a key exchange
//! (MSE). Each connection serves one torrent.
//!
//! [`Wires`] owns the connections. A torrent takes part through [`Wires::join`]: its owner supplies the location of its
//! bytes ([`TorrentOffering`]) and receives [`WireEvent`]s for every [`PeerWire`], inbound or outbound. This module
//! serves the requests of peers alone; which blocks to request is decided elsewhere.

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
mod wire_stream;
mod wires;
mod writer;

pub(crate) use event::WireEvent;
pub(crate) use membership::SwarmMembership;
pub(crate) use offering::{BlockSegment, PieceLocator, TorrentOffering};
pub(crate) use outbound::ConnectMode;
pub(crate) use resolver::TorrentResolver;
pub(crate) use wire::PeerWire;
pub(crate) use wire_error::PeerWireError;
pub(crate) use wires::{Wires, WiresConfig};
