use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::unsupported;

/// Returns the time since the first call, which is an upper bound of the processor time that a thread used between two calls.
pub(in crate::platform) fn thread_cpu_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// Sets the priority of the calling thread: not supported here.
pub(in crate::platform) fn set_thread_niceness(_niceness: i32) -> io::Result<()> {
    Err(unsupported())
}
