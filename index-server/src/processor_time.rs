//! How much of a processor something takes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Runs something on this thread; returns what it returns and the processor time that it took. The time in which others had
/// the processor is not counted.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = thread_time();
    let done = work();
    (done, thread_time().saturating_sub(begun))
}

fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time() {
        let (sum, took) = timed(|| (0..3_000_000_u64).map(std::hint::black_box).sum::<u64>());
        assert!(sum > 0 && took > Duration::ZERO && took < Duration::from_mins(1), "{took:?}");
    }
}
