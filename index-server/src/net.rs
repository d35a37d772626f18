//! Connections, below everything that is said on them: who is admitted, sockets, messages, HTTP. Knows no service.

pub(crate) mod admission;
pub(crate) mod frame_stream;
pub(crate) mod http;
pub(crate) mod log_throttle;
pub(crate) mod socket;

use std::time::Duration;

/// The pause after a connection could not be accepted, as when all descriptors are in use.
pub(crate) const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// When a client that was not admitted may come again, in seconds.
pub(crate) const RETRY_AFTER: u32 = 30;
