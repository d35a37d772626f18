//! The local date and time in the format of other programs' log files.

use jiff::Zoned;

/// Returns the current local time, e.g. `2026-11-20 21:46:22`.
pub(crate) fn local_time() -> String {
    Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}
