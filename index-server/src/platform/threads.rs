//! The priority of threads and the processor time that they use.

use std::time::Duration;

use tracing::debug;

use super::system::threads::{set_thread_niceness, thread_cpu_time};

/// The niceness of threads with long work: they get a third as much processor time as threads that serve requests while both
/// are busy.
const NICE_INCREMENT: i32 = 5;

/// Lowers the priority of the calling thread for the rest of its life. Not for threads that hold locks others wait for, who
/// would then be delayed too.
pub(crate) fn lower_thread_priority() {
    // If this fails, the index works as before, but slower.
    if let Err(error) = set_thread_niceness(NICE_INCREMENT) {
        debug!(%error, "cannot lower the thread priority");
    }
}

/// Runs `work` on this thread; returns its result and the processor time used. Time while other threads ran is not counted.
pub(crate) fn with_cpu_time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = thread_cpu_time();
    let done = work();
    (done, thread_cpu_time().saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_cpu_time() {
        let (sum, took) = with_cpu_time(|| (0..3_000_000_u64).map(std::hint::black_box).sum::<u64>());
        assert!(sum > 0 && took > Duration::ZERO && took < Duration::from_mins(1), "{took:?}");
    }
}
