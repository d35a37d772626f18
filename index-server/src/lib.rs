//! The index of a Peerdex network: stores on disk which node shares which file, and searches it.
//!
//! [`run`] serves its listeners until shutdown; [`program::main`] is the command-line program. A connection's task reads
//! messages from its `frame_stream`, and a pure `session` decides which are allowed. The `directory` (catalog and roster)
//! answers reads; the `registrar` applies changes, and writes them to the `store` before it confirms them. `reachability`
//! probes which nodes can be reached. The `tracker` serves BitTorrent clients and is independent of the rest.

#[macro_use]
mod internal_error;

mod access;
mod address_group;
mod availability;
mod bad_record;
mod budgets;
mod catalog;
mod clock;
mod connection;
mod directory;
mod hash_index;
mod ids;
mod keyed_hash;
mod limits;
mod metrics;
mod net;
mod offers;
mod platform;
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
mod reports;
mod request;
mod results;
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
mod tracker;
mod words;

pub use access::{Access, AccessError, AccessFiles};
pub use budgets::BudgetLimits;
pub use limits::{IndexLimits, ProbeLimits, QuotaLimits, RequestRate, SwarmLimits, TrackerLimits};
pub use metrics::IndexMetrics;
pub use server::{Listeners, ServerConfig, TrackerListener, run};
pub use store::{Store, StoreError};
