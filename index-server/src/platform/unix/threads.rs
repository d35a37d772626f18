use std::io;
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};

/// Returns the processor time that the calling thread has used.
pub(in crate::platform) fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Sets the niceness of the calling thread. On Linux, priority is per thread.
pub(in crate::platform) fn set_thread_niceness(niceness: i32) -> io::Result<()> {
    Ok(setpriority_process(None, niceness)?)
}
