//! What transfers of every kind share: their queue and its slots, verification of pieces, retries, and how they are shown.
//!
//! Native downloads ([`download`](crate::download)), torrents and closed groups each drive the [engine](swarm) with these parts.

pub(crate) mod assembly;
pub(crate) mod fresh_seed;
pub(crate) mod queue;
pub(crate) mod record_schedule;
pub(crate) mod recovery;
pub(crate) mod retry_schedule;
pub(crate) mod scheduler;
pub(crate) mod verification;
pub(crate) mod verification_queue;
pub(crate) mod view_publisher;
