//! Waiting for a condition, with a time limit.

use std::thread;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Default time limit of a wait. A waiting download may take 32 s until its next attempt, so a shorter limit would fail
/// correct programs.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// Polls `poll` until it returns a value, and returns it. Panics with `what` after `limit`.
pub fn eventually<T>(what: &str, limit: Duration, poll: impl FnMut() -> Option<T>) -> T {
    poll_within(limit, poll).unwrap_or_else(|| panic!("timed out after {limit:?} waiting for {what}"))
}

/// Polls `poll` until it returns true. Panics with `what` after `limit`.
pub fn wait_until(what: &str, limit: Duration, mut poll: impl FnMut() -> bool) {
    eventually(what, limit, || poll().then_some(()));
}

/// Polls `poll` until it returns a value or `limit` has passed.
pub fn poll_within<T>(limit: Duration, mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = poll() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
