//! The messages of the BitTorrent dialect (BEP 3, "peer protocol"; BEP 6, "fast extension").
//!
//! A connection begins with a [`BitTorrentHandshake`] of each side for one torrent, followed by length-prefixed
//! [`BitTorrentMessage`]s. A [`BitTorrentDecoder`] finds them in a stream and checks every length against the message
//! type before anything is stored. Only the head of a block is a message here; its bytes are passed on as they
//! arrive.
//!
//! | part | support |
//! |---|---|
//! | BEP 3, peer protocol | complete |
//! | BEP 6, fast extension | all messages are accepted; suggestions and allowed fast pieces are not sent |
//! | BEP 10, extension protocol | the handshake with `reqq`; no extension is announced, extension messages are ignored |
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
