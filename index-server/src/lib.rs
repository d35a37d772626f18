//! The index of a Peerdex network: remembers, on disk, which node shares which file, and finds it.
//!
//! [`run`] serves on its listeners until it is told to stop; [`program::main`] does that as a program. Inside, from the
//! bytes inwards: a connection's task reads messages from its `wire`, a pure `session` says what may be done about each,
//! and the `directory` (the catalog of lists and the roster of who is there) or, for changes, the `registrar` (who has
//! them on disk in the `store` before it answers) does it. The `caller` finds out which nodes can be reached. The
//! `tracker` serves BitTorrent clients, of which the rest knows nothing.

mod answer;
mod caller;
mod catalog;
mod connection;
mod directory;
mod limits;
mod offers;
pub mod program;
mod random;
mod ranking;
mod registrar;
mod roster;
mod search;
mod server;
mod session;
mod slab;
mod store;
mod tracker;
mod wire;

pub use limits::{CallLimits, Limits, RequestRate, SwarmLimits, TrackerLimits};
pub use server::{Listeners, TrackerListener, run};
pub use store::{Store, StoreError};
