//! The configured swarm: a closed group of peers, listed in a file, that spread one file among themselves, with no tracker and
//! no hashes (`Common.cfg`, `PeerInfo.cfg`).
//!
//! A [`Peer`] is one of them, in a program of its own. A task owns it all (`session`): the engine, the choker, the storage, the
//! log and what is known of the neighbours. Connections (`link`, `reader`, `writer`) turn bytes into a few events for it and
//! back; `dialling` makes them and `door` accepts them. The engine ([`crate::swarm`]) decides which piece is
//! requested from whom and who is served; what the group has agreed on is a [`Plan`].

mod dialling;
mod door;
mod ending;
mod event_log;
mod files;
mod greeting;
mod link;
mod listening;
mod part;
mod peer;
mod plan;
mod reader;
mod receipt;
mod send_queue;
mod session;
mod spoken_framings;
mod writer;

pub(crate) use listening::is_here;
pub(crate) use peer::{Peer, PeerError};
pub(crate) use plan::{Plan, PlanError};
