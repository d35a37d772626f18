//! Measures processor time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Runs `work` on this thread; returns its result and the processor time used. Time while other threads ran is not counted.
pub(crate) fn with_cpu_time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = thread_cpu_time();
    let done = work();
    (done, thread_cpu_time().saturating_sub(started))
}

fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
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
