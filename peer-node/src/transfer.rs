//! What transfers of every kind share: their queue and its slots, verification of pieces, retries, and how they are shown.
//!
//! [`driver`] drives the [engine](swarm) for native downloads ([`download`](crate::download)), torrents and closed groups.

pub(crate) mod alarm;
pub(crate) mod assembly;
pub(crate) mod driver;
pub(crate) mod fresh_seed;
pub(crate) mod queue;
pub(crate) mod record_schedule;
pub(crate) mod recovery;
pub(crate) mod retry_schedule;
pub(crate) mod scheduler;
pub(crate) mod verification;
pub(crate) mod verification_queue;
pub(crate) mod view_publisher;
pub(crate) mod view_schedule;
