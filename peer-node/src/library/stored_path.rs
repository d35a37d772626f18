use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A path in a state file, lossless: text if it is UTF-8, otherwise a list of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredPath {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for StoredPath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<StoredPath> for PathBuf {
    fn from(stored: StoredPath) -> Self {
        match stored {
            StoredPath::Text(text) => text.into(),
            StoredPath::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_path_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..40), text: String) {
            for path in [PathBuf::from(OsString::from_vec(bytes)), PathBuf::from(text)] {
                let json = serde_json::to_string(&StoredPath::from(path.as_path())).unwrap();
                let again: StoredPath = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(PathBuf::from(again), path);
            }
        }
    }
}
