//! Truncation of texts from trackers.

use crate::limits::MAX_TRACKER_MESSAGE;

/// Decodes the first characters of a text. They must be escaped before display; see [`crate::escape`].
pub(super) fn truncated_text(bytes: &[u8]) -> String {
    // A character has at most 4 bytes, so the rest of a long text need not be decoded.
    let beginning = bytes.get(..4 * MAX_TRACKER_MESSAGE).unwrap_or(bytes);
    String::from_utf8_lossy(beginning).chars().take(MAX_TRACKER_MESSAGE).collect()
}
