//! Logs panics as single lines.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::error;

/// Set while panics are reported in another way.
static SUPPRESSED: AtomicBool = AtomicBool::new(false);

/// Logs every panic from now on.
pub(super) fn install_log_hook() {
    panic::set_hook(Box::new(|info| {
        if !SUPPRESSED.load(Ordering::Relaxed) {
            error!(panic = %protocol::escape::display_safe(&info.to_string()), "internal error");
        }
    }));
}

/// Runs `work`, whose panics are reported by the caller, without logging them.
pub(super) fn without_logging<T>(work: impl FnOnce() -> T) -> T {
    SUPPRESSED.store(true, Ordering::Relaxed);
    let result = work();
    SUPPRESSED.store(false, Ordering::Relaxed);
    result
}
