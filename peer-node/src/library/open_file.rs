use std::fs::File;
use std::io;
use std::sync::Arc;

use super::anchored_path::AnchoredPath;
use crate::storage::FileIdentity;

/// A shared file, open for serving and checked to be the one that was hashed.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    /// The open file.
    pub file: Arc<File>,
    /// Size in bytes.
    pub size: u64,
    /// Identity at the time of hashing.
    pub identity: FileIdentity,
}

/// Why a shared file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// No file with that content is shared.
    #[error("no file with that content is shared")]
    NotShared,
    /// The file has changed since it was hashed; it is being checked again.
    #[error("the file has changed since it was hashed")]
    Changed,
    /// The file no longer exists.
    #[error("the file no longer exists")]
    Missing,
    /// The file cannot be opened.
    #[error("cannot open the file: {0}")]
    Io(#[from] io::Error),
}

impl OpenFile {
    /// Opens a file if it still has this identity.
    pub(super) fn open(path: AnchoredPath<'_>, identity: FileIdentity) -> Result<Self, OpenError> {
        match path.open_regular() {
            Ok(Some((file, found))) if found == identity => {
                Ok(Self { file: Arc::new(file), size: identity.size, identity })
            }
            Ok(_) => Err(OpenError::Changed),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Err(OpenError::Missing),
                _ => Err(OpenError::Io(error)),
            },
        }
    }

    /// Returns true if the open file is still the one that was hashed. If it is called after a read, true means that the bytes
    /// read are correct.
    pub(crate) fn is_unchanged(&self) -> bool {
        matches!(FileIdentity::from_file(&self.file), Ok(Some(found)) if found == self.identity)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::storage::open_regular;

    fn open(path: &Path, identity: FileIdentity) -> Result<OpenFile, OpenError> {
        OpenFile::open(AnchoredPath::new(path, 1), identity)
    }

    #[test]
    fn only_the_unchanged_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"content").unwrap();
        let (_, identity) = open_regular(&path).unwrap().unwrap();
        let opened = open(&path, identity).unwrap();
        assert!(opened.is_unchanged());

        fs::write(&path, b"other content").unwrap();
        assert!(!opened.is_unchanged());
        assert!(matches!(open(&path, identity), Err(OpenError::Changed)));
        fs::remove_file(&path).unwrap();
        assert!(matches!(open(&path, identity), Err(OpenError::Missing)));
        assert!(matches!(open(&path.join("below"), identity), Err(OpenError::Missing)));
    }
}
