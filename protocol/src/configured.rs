//! What a closed group of peers agrees on and says in the configured swarm (`Common.cfg`, `PeerInfo.cfg`, `P2PFILESHARINGPROJ`).
//!
//! Two files name the content and the peers ([`CommonConfig`], [`PeerList`]); each is judged as a whole. A connection begins with a
//! [`ConfiguredHandshake`] of each side; then come [`ConfiguredMessage`]s, each with its length before it. What the length counts differs: that is
//! the [`Framing`], which the first message gives away. A [`ConfiguredDecoder`] finds messages in a stream and judges every length and
//! every number of a piece before anything of it is kept. Of a piece only the head is a message here: its bytes are handed on
//! as they come. What a peer writes down of all that are [`LogLine`]s.

mod common_config;
mod config_error;
mod decoder;
mod framing;
#[cfg(test)]
mod golden;
mod handshake;
mod log_line;
mod message;
mod peer_id;
mod peer_list;
mod typo;

pub use common_config::CommonConfig;
pub use config_error::{ConfigError, ConfigFault, ConfigWarning, FaultReason, WarningReason};
pub use decoder::{ConfiguredDecoder, ConfiguredItem, ConfiguredMessageError};
pub use framing::Framing;
pub use handshake::{ConfiguredHandshake, ConfiguredHandshakeError, HANDSHAKE_LEN};
pub use log_line::{LogEvent, LogLine};
pub use message::{ConfiguredMessage, piece_head};
pub use peer_id::ConfiguredPeerId;
pub use peer_list::{ListedPeer, PeerList};
