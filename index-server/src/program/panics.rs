//! Panics as lines of the log instead of texts between them.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::error;

/// Set while panics are told otherwise.
static UNLOGGED: AtomicBool = AtomicBool::new(false);

/// Logs every panic from now on.
pub(super) fn log_them() {
    panic::set_hook(Box::new(|info| {
        if !UNLOGGED.load(Ordering::Relaxed) {
            error!(panic = %protocol::escape::display_safe(&info.to_string()), "internal error");
        }
    }));
}

/// Runs what tells its panics itself.
pub(super) fn unlogged<T>(work: impl FnOnce() -> T) -> T {
    UNLOGGED.store(true, Ordering::Relaxed);
    let result = work();
    UNLOGGED.store(false, Ordering::Relaxed);
    result
}
