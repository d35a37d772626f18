//! The index of a Peerdex network: remembers, on disk, which node shares which file, and finds it.
//!
//! [`run`] serves on its listeners until it is told to stop; [`program::main`] does that as a program. Inside, from the
//! bytes inwards: a connection's task reads messages from its `frame_stream`, a pure `session` says what may be done about each,
//! and the `directory` (the catalog of lists and the roster of who is there) or, for changes, the `registrar` (who has
//! them on disk in the `store` before it answers) does it. The `reachability` finds out which nodes can be reached. The
//! `tracker` serves BitTorrent clients, of which the rest knows nothing.

mod access;
mod address_group;
mod availability;
mod bad_record;
mod budgets;
mod catalog;
mod clock;
mod connection;
mod cpu_time;
mod directory;
mod hash_index;
mod ids;
mod keyed_hash;
mod limits;
mod metrics;
mod net;
mod offers;
mod prefetch;
pub mod program;
mod quotas;
mod random;
mod ranking;
mod rate_limiter;
mod reachability;
mod recheck;
mod registrar;
mod regular_file;
mod replies;
mod reports;
mod request;
mod roster;
mod scan_worker;
mod search;
mod sent_hits;
mod server;
mod service;
mod session;
mod slab;
mod store;
mod text_table;
mod thread_priority;
mod tracker;
mod words;

pub use access::{Access, AccessError, AccessFiles};
pub use budgets::BudgetLimits;
pub use limits::{IndexLimits, ProbeLimits, QuotaLimits, RequestRate, SwarmLimits, TrackerLimits};
pub use metrics::IndexMetrics;
pub use server::{Listeners, ServerConfig, TrackerListener, run};
pub use store::{Store, StoreError};
