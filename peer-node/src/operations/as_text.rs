use std::fmt::Display;
use std::path::Path;

use protocol::escape::display_safe_bytes;
use serde::Serializer;

/// Serializes a value as its text: digests, infohashes, node ids and addresses.
pub(super) fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serializes a path, escaped for display: a path need not be UTF-8.
pub(super) fn as_path_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&display_safe_bytes(path.as_os_str().as_encoded_bytes()))
}

/// Serializes whether there is a value: a cursor is opaque.
#[expect(clippy::ref_option, reason = "the signature is given by serde")]
pub(super) fn as_presence<T, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(value.is_some())
}
