//! The phases of a session with the index.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::discovery::index_client::status::Reachability;
/// The phase of the session.
#[derive(Debug)]
pub(super) enum IndexSessionPhase {
    /// The proof has been sent; its reply is due by `until`.
    Proving { until: Instant },
    /// The index has sent its welcome.
    Welcomed(WelcomeInfo),
}

/// What the index sent with and after the welcome.
#[derive(Debug)]
pub(super) struct WelcomeInfo {
    pub(super) seen_address: SocketAddr,
    pub(super) reachable: Reachability,
    /// Interval at which the lease must be renewed.
    pub(super) renewal: Duration,
}
