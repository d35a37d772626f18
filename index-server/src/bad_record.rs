//! Refusals for invalid file records in a registration.

use protocol::escape::display_safe;
use protocol::index::Refusal;

/// Returns the refusal for a file whose content the node already shares with another size.
pub(crate) fn conflicting_sizes(path: &str) -> Refusal {
    bad_record(path, &"this node shares the same content with another size, and only one can be true")
}

/// Returns the refusal for a record with the given error.
pub(crate) fn bad_record(path: &str, error: &dyn std::fmt::Display) -> Refusal {
    let path = display_safe(truncated(path)).into_owned();
    Refusal::BadRecord { path, reason: display_safe(&error.to_string()).into_owned() }
}

/// Truncates a path before it goes into a refusal, since it may not have been validated.
fn truncated(path: &str) -> &str {
    const MAX_LEN: usize = 1024;
    path.get(..path.floor_char_boundary(MAX_LEN)).unwrap_or(path)
}
