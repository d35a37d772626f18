//! Waiting for what will become true, within a limit.

use std::thread;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long a story waits for what should happen soon. A download that waits may take 32 s until its next attempt, so less than
/// that would fail what is right.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// Looks again and again until `look` sees something, and returns it; panics with `what` after `limit`.
pub fn eventually<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    poll_within(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain: {what}"))
}

/// Waits until `look` says that it is so; panics with `what` after `limit`.
pub fn wait_until(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    eventually(what, limit, || look().then_some(()));
}

/// Looks again and again until `look` sees something or `limit` has passed.
pub fn poll_within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
