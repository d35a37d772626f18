//! Records of a registration that cannot be believed, and how they are refused.

use protocol::escape::display_safe;
use protocol::index::Refusal;

/// Refuses a file whose content the node shares with another size.
pub(crate) fn conflicting_sizes(path: &str) -> Refusal {
    bad_record(path, &"this node shares the same content with another size, and only one can be true")
}

/// Refuses a record, and says what is wrong with it.
pub(crate) fn bad_record(path: &str, error: &dyn std::fmt::Display) -> Refusal {
    let path = display_safe(truncated(path)).into_owned();
    Refusal::BadRecord { path, reason: display_safe(&error.to_string()).into_owned() }
}

/// Cuts a path that goes into a refusal: it need not have passed any check.
fn truncated(path: &str) -> &str {
    const MAX_LEN: usize = 1024;
    path.get(..path.floor_char_boundary(MAX_LEN)).unwrap_or(path)
}
