//! The configured swarm: the files and messages of a closed group of peers (`Common.cfg`, `PeerInfo.cfg`,
//! `P2PFILESHARINGPROJ`).
//!
//! Two files name the content and the peers ([`CommonConfig`], [`PeerList`]); each is validated as a whole. A
//! connection begins with a [`ConfiguredHandshake`] of each side, followed by length-prefixed [`ConfiguredMessage`]s.
//! What the length counts differs between programs: the [`Framing`] is detected from the first message. A
//! [`ConfiguredDecoder`] finds messages in a stream and checks every length and piece index before anything is
//! stored. Only the head of a piece is a message here; its bytes are passed on as they arrive. [`LogLine`]s are the
//! entries of a peer's event log.

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
