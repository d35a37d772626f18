//! The index of a Peerdex network: remembers, on disk, which node shares which file, and finds it.
//!
//! [`run`] serves on its listeners until it is told to stop; [`program::main`] does that as a program. Inside, from the
//! bytes inwards: a connection's task reads messages from its `wire`, a pure `session` says what may be done about each,
//! and the `directory` (the catalog of lists and the roster of who is there) or, for changes, the `registrar` (who has
//! them on disk in the `store` before it answers) does it. The `caller` finds out which nodes can be reached. The
//! `tracker` serves BitTorrent clients, of which the rest knows nothing.

mod access;
mod answer;
mod bad_record;
mod budgets;
mod caller;
mod catalog;
mod checking;
mod clerk;
mod clock;
mod connection;
mod directory;
mod household;
mod http;
mod keyed;
mod limits;
mod metrics;
mod near;
mod numbers;
mod offers;
mod priority;
mod processor_time;
pub mod program;
mod quotas;
mod random;
mod ranking;
mod rates;
mod registrar;
mod regular;
mod reports;
mod roster;
mod search;
mod server;
mod session;
mod slab;
mod store;
mod text_table;
mod told;
mod tracker;
mod wire;
mod words;

pub use access::{Access, AccessError, AccessFiles};
pub use budgets::BudgetLimits;
pub use limits::{CallLimits, Limits, QuotaLimits, RequestRate, SwarmLimits, TrackerLimits};
pub use metrics::Metrics;
pub use server::{Conditions, Listeners, TrackerListener, run};
pub use store::{Store, StoreError};
