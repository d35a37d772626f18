//! The index of a Peerdex network: remembers, on disk, which node shares which file, and finds it.
//!
//! [`run`] serves on a listener until it is told to stop; [`program::main`] does that as a program. Inside, from the
//! bytes inwards: a connection's task reads messages from its `wire`, a pure `session` says what may be done about each,
//! and the `directory` (the catalog of lists and the roster of who is there) or, for changes, the `registrar` (who has
//! them on disk in the `store` before it answers) does it. The `caller` finds out which nodes can be reached.

mod answer;
mod caller;
mod catalog;
mod connection;
mod directory;
mod limits;
mod offers;
pub mod program;
mod ranking;
mod registrar;
mod roster;
mod search;
mod server;
mod session;
mod slab;
mod store;
mod wire;

pub use limits::{CallLimits, Limits};
pub use server::run;
pub use store::{Store, StoreError};
