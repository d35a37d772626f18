//! The network layer: admission, sockets, message framing, HTTP. Knows nothing of the services above it.

pub(crate) mod admission;
pub(crate) mod frame_stream;
pub(crate) mod http;
pub(crate) mod log_throttle;
pub(crate) mod socket;

use std::time::Duration;

/// The delay after a failed accept, for example when all file descriptors are in use.
pub(crate) const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Seconds after which a refused client may retry.
pub(crate) const RETRY_AFTER: u32 = 30;
