//! Thread priorities, for machines with fewer processors than busy threads.

use rustix::process::setpriority_process;
use tracing::debug;

/// The niceness of threads with long work: they get a third as much processor time as threads that serve requests while both
/// are busy.
const NICE_INCREMENT: i32 = 5;

/// Lowers the priority of the calling thread for the rest of its life. Not for threads that hold locks others wait for, who
/// would then be delayed too.
pub(crate) fn lower_current_thread() {
    // On Linux, priority is per thread. If this fails, the index works as before, but slower.
    if let Err(error) = setpriority_process(None, NICE_INCREMENT) {
        debug!(%error, "cannot lower the thread priority");
    }
}
