//! What two peers say to each other in the BitTorrent dialect (BEP 3, "peer protocol"; BEP 6, "fast extension").
//!
//! A connection begins with a [`BitTorrentHandshake`] of each side, about one torrent; then come [`BitTorrentMessage`]s, each with its length
//! before it. A [`BitTorrentDecoder`] finds them in a stream and judges every length by what the message is, before anything of it
//! is kept. Of a block only the head is a message here: its bytes are handed on as they come.
//!
//! | part | spoken |
//! |---|---|
//! | BEP 3, peer protocol | all of it |
//! | BEP 6, fast extension | all messages are understood; no suggestions and no allowed fast pieces are sent |
//! | BEP 10, extension protocol | its handshake, for the requests that may wait; no extension is announced, the messages of all are ignored |
//! | MSE, message stream encryption | both roles, see [`mse`] |

mod clients;
mod decoder;
mod extended;
#[cfg(test)]
mod golden;
mod handshake;
mod message;
pub mod mse;
mod peer_id;

pub use decoder::{BitTorrentDecoder, BitTorrentItem, BitTorrentMessageError};
pub use extended::ExtendedHandshake;
pub use handshake::{
    BitTorrentHandshake, BitTorrentHandshakeError, HANDSHAKE_HEAD_LEN, HANDSHAKE_LEN, PROTOCOL, ReservedBits,
};
pub use message::{BitTorrentMessage, BlockSpec, block_head};
pub use peer_id::PeerId;
