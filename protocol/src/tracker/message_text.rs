//! Words of a stranger, cut to what a line of a screen holds.

use crate::limits::MAX_TRACKER_MESSAGE;

/// Reads a text, of which the first characters are kept. They are not fit to be shown as they are: see
/// [`crate::escape`].
pub(super) fn truncated_text(bytes: &[u8]) -> String {
    // No character is longer than 4 bytes, so that a long text is not read for nothing.
    let beginning = bytes.get(..4 * MAX_TRACKER_MESSAGE).unwrap_or(bytes);
    String::from_utf8_lossy(beginning).chars().take(MAX_TRACKER_MESSAGE).collect()
}
