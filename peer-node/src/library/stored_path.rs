use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::platform::{path_from_bytes, path_to_bytes};

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
            None => Self::Bytes(path_to_bytes(path)),
        }
    }
}

impl From<StoredPath> for PathBuf {
    fn from(stored: StoredPath) -> Self {
        match stored {
            StoredPath::Text(text) => text.into(),
            StoredPath::Bytes(bytes) => path_from_bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

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
