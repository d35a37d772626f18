//! Who goes first where there are more threads than processors.

use rustix::process::setpriority_process;
use tracing::debug;

/// How far threads with much to do stand behind those that answer: they get a third as much of a processor while both
/// want it.
const NICE_INCREMENT: i32 = 5;

/// Lets the calling thread give way to others for as long as it lives. Not for a thread that locks what others wait for:
/// they would wait for the processor with it.
pub(crate) fn lower_current_thread() {
    // On Linux a priority is a thread's own. Without it, all is as before, only slower.
    if let Err(error) = setpriority_process(None, NICE_INCREMENT) {
        debug!(%error, "cannot lower the priority of a thread");
    }
}
