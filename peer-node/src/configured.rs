//! The configured swarm: a closed group of peers, listed in a file, that spread one file among themselves, with no tracker and
//! no hashes (`Common.cfg`, `PeerInfo.cfg`).
//!
//! A [`GroupMember`] is one of them, in a program of its own. A task owns it all (`session`): the engine, the choker, the storage, the
//! log and what is known of the neighbours. Connections (`link`, `reader`, `writer`) turn bytes into a few events for it and
//! back; `dialling` makes them and `listener` accepts them. The engine ([`crate::swarm`]) decides which piece is
//! requested from whom and who is served; what the group has agreed on is a [`GroupConfig`].

mod dialling;
mod disconnect_reason;
mod event_log;
mod group_config;
mod group_file;
mod handshake;
mod link;
mod listener;
mod local_host;
mod member;
mod part_file;
mod peer_framings;
mod reader;
mod receipt;
mod send_queue;
mod session;
mod writer;

pub(crate) use group_config::{GroupConfig, GroupConfigError};
pub(crate) use local_host::is_local_host;
pub(crate) use member::{GroupMember, GroupStartError};
