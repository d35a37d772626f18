//! The configured swarm: a closed group of peers, listed in a file, that distributes one file without a tracker and without
//! hashes (`Common.cfg`, `PeerInfo.cfg`).
//!
//! A [`GroupMember`] is one peer of the group and runs in its own process. One task (`session`) owns its state: the swarm
//! engine, the choker, the storage, the event log and the neighbours. Connections (`link`, `reader`, `writer`) translate
//! between bytes and events; `dialling` opens them and `listener` accepts them. The engine ([`crate::swarm`]) decides which
//! piece to request from which neighbour and whom to serve. A [`GroupConfig`] holds the configuration that all peers share.

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
