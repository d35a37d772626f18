//! What a closed group of peers agrees on and says in the configured swarm (`Common.cfg`, `PeerInfo.cfg`, `P2PFILESHARINGPROJ`).
//!
//! Two files name the content and the peers ([`Common`], [`PeerList`]); each is judged as a whole. A connection begins with a
//! [`Handshake`] of each side; then come [`Message`]s, each with its length before it. What the length counts differs: that is
//! the [`Framing`], which the first message gives away. A [`Decoder`] finds messages in a stream and judges every length and
//! every number of a piece before anything of it is kept. Of a piece only the head is a message here: its bytes are handed on
//! as they come. What a peer writes down of all that are [`LogLine`]s.

mod common;
mod config_error;
mod decoder;
mod framing;
#[cfg(test)]
mod golden;
mod handshake;
mod key_slips;
mod log_line;
mod message;
mod peer_id;
mod peer_list;

pub use common::Common;
pub use config_error::{ConfigError, ConfigWarning, Fault, FaultReason, WarningReason};
pub use decoder::{Decoder, Item, MessageError};
pub use framing::Framing;
pub use handshake::{HANDSHAKE_LEN, Handshake, HandshakeError};
pub use log_line::{LogEvent, LogLine};
pub use message::{Message, piece_head};
pub use peer_id::PeerId;
pub use peer_list::{ListedPeer, PeerList};
