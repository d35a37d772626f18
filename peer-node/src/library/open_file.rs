use std::fs::File;
use std::io;
use std::sync::Arc;

use super::anchored_path::AnchoredPath;
use crate::storage::FileIdentity;

/// A shared file, open for serving and checked to be the one that was hashed.
#[derive(Debug, Clone)]
pub struct OpenFile {
    /// The open file.
    pub file: Arc<File>,
    /// Its size in bytes.
    pub size: u64,
    /// What it looked like when it was hashed.
    pub identity: FileIdentity,
}

/// Why a content cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No file with that content is shared.
    #[error("no file with that content is shared")]
    NotShared,
    /// The file is not the one that was hashed; it is being looked at again.
    #[error("the file has changed since it was hashed")]
    Changed,
    /// The file is no longer there.
    #[error("the file is gone")]
    Missing,
    /// The system does not open it.
    #[error("the file cannot be opened: {0}")]
    Io(#[from] io::Error),
}

impl OpenFile {
    /// Opens a file if it still has that identity.
    pub(super) fn open(way: AnchoredPath<'_>, identity: FileIdentity) -> Result<Self, OpenError> {
        match way.open_regular() {
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

    /// Says whether the open file still looks as it did when it was hashed; asked after a read, it vouches for the bytes.
    pub fn is_unchanged(&self) -> bool {
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
