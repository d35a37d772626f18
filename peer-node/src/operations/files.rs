//! The files that a node shares.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::digest::Digest;
use serde::{Serialize, Serializer};

use super::Operations;
use super::as_text::as_text;
use super::display_text::DisplayText;
use crate::library::{ShareListing, SharedFile};

/// A file that the node shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SharedFileInfo {
    /// Its name on the network.
    pub(crate) path: DisplayText,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its SHA-256 digest.
    #[serde(serialize_with = "as_text")]
    pub(crate) digest: Digest,
    /// Since when it has been shared with this content, in seconds since 1970, rounded.
    pub(crate) since: i64,
}

/// The files that the node shares at one moment, sorted by path. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedFiles(Arc<ShareListing>);

impl SharedFiles {
    /// Returns the number of files.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns their total size in bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.0.total_bytes()
    }

    /// Returns the files in the order of their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SharedFileInfo> {
        self.0.iter().map(SharedFileInfo::from)
    }
}

impl Serialize for SharedFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl From<&SharedFile> for SharedFileInfo {
    fn from(file: &SharedFile) -> Self {
        Self {
            path: DisplayText::new(file.path.as_str()),
            size: file.size,
            digest: file.digest,
            since: rounded_seconds(file.since),
        }
    }
}

/// Rounds a time to seconds since 1970; an earlier time becomes 0.
fn rounded_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let rounded = since.as_secs().saturating_add(u64::from(since.subsec_millis() >= 500));
    i64::try_from(rounded).unwrap_or(0)
}

impl Operations {
    /// Returns the files that the node shares now.
    pub(crate) fn files(&self) -> SharedFiles {
        SharedFiles(self.node.library().files())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rounded_to_seconds() {
        let at = |millis| rounded_seconds(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!((at(1_499), at(1_500)), (1, 2));
        assert_eq!(rounded_seconds(UNIX_EPOCH - Duration::from_secs(5)), 0);
    }

    #[test]
    fn digest_is_serialized_as_hexadecimal_digits() {
        let file =
            SharedFileInfo { path: DisplayText::new("a\nb"), size: 3, digest: Digest::EMPTY, since: 7 };
        let json = serde_json::to_value(file).unwrap();
        assert_eq!(json["digest"], Digest::EMPTY.to_string());
        assert_eq!((json["path"].as_str(), json["size"].as_u64()), (Some("a\\nb"), Some(3)));
    }
}
